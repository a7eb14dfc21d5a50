"""The options of the commands. Each is declared once.

`groups` has the options of a panel together, `common` single ones that several commands take, `training`
those of nsp train. `grouping` makes parameters of them, and `panels` sets how they look in help.
"""
