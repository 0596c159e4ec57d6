"""Webhooks: an account's own address is told, by a signed POST, what becomes of its mail.

1. `events.note` keeps a call for each webhook that wants it, in the transaction in which the copy
   changed.
2. `calls.make` takes calls that are due under a lease, makes them, and writes down how it went.
3. What fails is tried again on the `schedule`; any 2xx is success, 410 ends the webhook.

Who may be called is in `targets`: nobody inside this network, whatever DNS says. The signature is
that of the Standard Webhooks specification, for which there are libraries in most languages.
"""
