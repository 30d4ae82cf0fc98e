"""HTTP as a load generator needs it: what the client is made of."""
