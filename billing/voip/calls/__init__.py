"""Call records: what an exchange wrote about its calls, in any of its formats -> `CallRecord`s, or `CallsRejected`."""
