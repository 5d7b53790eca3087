"""What `manage.py doctor` looks at: one function a check, registered in `examining.CHECKS`."""
