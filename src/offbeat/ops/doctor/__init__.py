"""What `manage.py doctor` looks at: one function a check, registered in `examination.CHECKS`."""
