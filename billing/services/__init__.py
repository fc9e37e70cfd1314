"""Services of a contract and the addresses they run on."""
