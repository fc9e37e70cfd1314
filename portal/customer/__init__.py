"""The customer portal: HTTPS, log-in with customer number and password, Czech and English."""
