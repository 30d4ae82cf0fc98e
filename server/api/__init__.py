"""What goes over HTTP: the record, the bodies of requests and answers, and their description."""
