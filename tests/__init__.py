"""A package with a file of its own: routeros-api installs a package of this name, which would win otherwise."""
