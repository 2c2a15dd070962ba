"""What people look at: review datasets, the report, the app."""
