"""The story on real packets, in network namespaces of its own."""
