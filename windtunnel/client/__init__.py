"""The HTTP client: sockets, responses, deadlines, and the API of the server under test."""
