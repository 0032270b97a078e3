"""Browser tests of the dashboard, with thirty days of data of a network of realistic size."""
