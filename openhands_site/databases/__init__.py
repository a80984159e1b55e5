"""Django's database backends, with what a server of many threads needs beyond them."""
