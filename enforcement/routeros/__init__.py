"""The MikroTik driver: the contract of `enforcement.driver` on a router with RouterOS 6.49 or 7.x, by its API."""
