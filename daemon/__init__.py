"""The program: joins facts to the network, and is imported by nobody."""
