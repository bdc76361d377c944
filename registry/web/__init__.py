"""Pages: routes, templates, static files."""
