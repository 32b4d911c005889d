"""Policies of the routes whose code is not ours to mark, and of those that stand a floor below this room."""

from collections.abc import Mapping

from apps.accounts.policy import CLOSED, PUBLIC, SIGNED_IN, Access, Permission, Policy

LEDGER = Policy(Access.ALLOWED, Permission.READ_LEDGER)
BATCHES = Policy(Access.ALLOWED, Permission.VIEW)

# By the route's full name. People are added with `manage.py people add`: nobody signs up, nothing is sent by mail.
POLICIES: Mapping[str, Policy] = {
    "ledger:index": LEDGER,
    "ledger:entry": LEDGER,
    "ledger:export": LEDGER,
    "batch:index": BATCHES,
    "batch:job": BATCHES,
    "batch:cancel": Policy(Access.ALLOWED, Permission.CANCEL_BATCH),
    "ledger:checkpoint": PUBLIC,  # a count and hashes, signed: whoever can ask may be a witness
    "ledger:consistency": PUBLIC,
    "account_login": PUBLIC,
    "account_logout": PUBLIC,
    "account_inactive": PUBLIC,
    "account_reauthenticate": SIGNED_IN,
    "account_change_password": SIGNED_IN,
    "account_set_password": SIGNED_IN,
    "account_signup": CLOSED,
    "account_email": CLOSED,
    "account_confirm_email": CLOSED,
    "account_email_verification_sent": CLOSED,
    "account_reset_password": CLOSED,
    "account_reset_password_done": CLOSED,
    "account_reset_password_from_key": CLOSED,
    "account_reset_password_from_key_done": CLOSED,
    "mfa_authenticate": PUBLIC,  # the second step of a login: nobody is logged in yet
    "mfa_reauthenticate": SIGNED_IN,
    "mfa_index": SIGNED_IN,
    "mfa_activate_totp": SIGNED_IN,
    "mfa_deactivate_totp": SIGNED_IN,
    "mfa_generate_recovery_codes": SIGNED_IN,
    "mfa_view_recovery_codes": SIGNED_IN,
    "mfa_download_recovery_codes": SIGNED_IN,
    "account_confirm_login_code": CLOSED,
    "mfa_reauthenticate_webauthn": SIGNED_IN,
    "mfa_list_webauthn": SIGNED_IN,
    "mfa_add_webauthn": SIGNED_IN,
    "mfa_edit_webauthn": SIGNED_IN,
    "mfa_remove_webauthn": SIGNED_IN,
    "usersessions_list": SIGNED_IN,
}
