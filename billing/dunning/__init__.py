"""From an overdue invoice to a standing: facts in, a decision out, and the notices that lead there."""
