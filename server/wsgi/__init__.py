"""The same routes as a WSGI application, for gunicorn: `server.wsgi:application`."""

from server.wsgi.app import application, tornado_application

__all__ = ["application", "tornado_application"]
