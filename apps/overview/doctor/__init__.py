"""What `manage.py doctor` examines: a deployment from its settings to the rights of the polling logins. It reads and changes nothing.

Each module yields findings; nothing that cannot be reached keeps the others from being examined.
"""
