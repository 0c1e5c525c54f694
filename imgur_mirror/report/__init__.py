"""What people look at after a run: tables, pictures, pages."""
