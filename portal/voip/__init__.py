"""The VoIP zone: what a call costs, credit, calls."""
