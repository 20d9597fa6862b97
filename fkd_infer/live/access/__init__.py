"""Who can reach the live page: its addresses, its socket, and the checks of each request."""
