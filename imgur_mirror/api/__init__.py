"""What Imgur's API says: addresses, listings, errors, credits."""
