"""What is true: customers, services, invoices, payments, and what dunning makes of them. Knows no network."""
