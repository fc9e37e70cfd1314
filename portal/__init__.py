"""What subscribers see in their browser. Reads and writes through `billing`; never touches the network."""
