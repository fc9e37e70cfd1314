"""What is done on the network: lines open, in notice or suspended. Knows no money and no page."""
