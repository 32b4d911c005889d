"""Numbers that are somebody's: payment cards, accounts, phones, social security.

Standard library only. A number is a card's when its check digit and its beginning are, so that times in microseconds and bytes stay.
"""

import re

from apps.telemetry.echoes import MASK

# Between groups: blanks, also those that do not break a line, dots, hyphens.
_GAPS = r" .\u00a0\u2007\u2009\u2010-\u2013\u202f-"
# What may have such a number in it at all.
DIGITS = re.compile(rf"[+(]{{0,2}}\d[\d(){_GAPS}]{{6,}}\d")
_SSN = re.compile(r"(?<![\d-])\d{3}-\d{2}-\d{4}(?![\d-])")
_PHONE = re.compile(r"\+\d(?:[ ().-]{0,2}\d){6,14}(?!\d)|(?<![\d.-])\(?\d{3}\)?[ .-]{1,2}\d{3}[ .-]\d{4}(?![\d-])")
_CARD = re.compile(r"(?<!\d)\d(?:[ -]?\d){12,18}(?!\d)")
_GROUPS = re.compile(
    rf"(?<!\d)\d{{4}}[{_GAPS}]{{1,3}}(?:\d{{4}}[{_GAPS}]{{1,3}}\d{{4}}[{_GAPS}]{{1,3}}\d{{1,7}}|\d{{6}}[{_GAPS}]{{1,3}}\d{{4,5}})(?!\d)"
)
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Za-z0-9])")


def luhn(digits: str) -> bool:
    """
    Whether digits (blanks and hyphens between them allowed) have the check digit of a payment card.

    >>> luhn("4111 1111 1111 1111"), luhn("4111111111111112")
    (True, False)
    """
    numbers = [int(char) for char in reversed(digits) if char.isdecimal()]
    doubled = (number * 2 - 9 if number > 4 else number * 2 for number in numbers[1::2])
    return 13 <= len(numbers) <= 19 and (sum(numbers[::2]) + sum(doubled)) % 10 == 0


def card(digits: str) -> bool:
    """
    Whether this is a payment card: of thirteen digits it begins with 4, of fourteen or fifteen with 3, of more with 2 to 6.

    >>> card("4111 1111 1111 1111"), card("1111111111111117")
    (True, False)
    """
    plain = "".join(str(int(char)) for char in digits if char.isdecimal())
    first = {13: "4", 14: "3", 15: "3"}.get(len(plain), "23456")
    return plain[:1] in first and luhn(plain)


def iban(text: str) -> bool:
    """
    Whether the two check digits of an account's number are right.

    >>> iban("DE89 3704 0044 0532 0130 00"), iban("DE88 3704 0044 0532 0130 00")
    (True, False)
    """
    plain = text.replace(" ", "")
    return int("".join(str(int(char, 36)) for char in plain[4:] + plain[:4])) % 97 == 1


LONGEST = 10**20  # no card has as many digits


def mask_number(value: float) -> object:
    """A big number, without what may be a card."""
    return MASK if abs(value) < LONGEST and value == value // 1 and card(str(abs(int(value)))) else value


def mask_digits(text: str) -> str:
    """Text without cards, accounts, phones and social security numbers."""
    text = _IBAN.sub(lambda found: MASK if iban(found[0]) else found[0], text)
    return DIGITS.sub(lambda run: _mask_run(run[0]), text)


def _mask_run(run: str) -> str:
    for pattern in (_CARD, _GROUPS):
        run = pattern.sub(lambda found: MASK if card(found[0]) else found[0], run)
    return _PHONE.sub(MASK, _SSN.sub(MASK, run))
