"""Labelled images: folders, arrays and archives, read and inspected.

`source.open_source` opens whatever the user names; `inspect.inspect` tells what is in it.
"""
