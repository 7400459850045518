"""The checks that come with sidecheck: one file each, loaded through the same catalogue as a user's own."""
