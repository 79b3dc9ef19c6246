"""One self-contained HTML file of what a command found.

`page` is what a report holds, as plain data; `pictures` and `plots` make its images and drawings, `features` its
feature maps; `render` makes HTML of it. The other modules gather what each command has to show. jinja2 and matplotlib
are loaded when a report is made.
"""
