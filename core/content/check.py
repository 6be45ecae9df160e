"""The guard on every draft: what it states must be carried by a fact.

It looks for what can be wrong in a way that hurts: numbers, money, shares, dates, times, addresses and names. It is
strict on purpose: a draft refused in error is written by the next generator, a wrong price is sent to a customer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal

from core.content.facts import MONTHS, WEEKDAYS
from core.ports import Brief, Fact, Text

Claim = tuple[str, object]  # (kind, value): equal claims say the same, however each is written

_SPELLED = {
    word: Decimal(value)
    for value, words in {
        "0.5": "half metade", "2": "two dois duas twice double dobro", "3": "three três triple triplo", "4": "four quatro",
        "5": "five cinco", "6": "six seis meia-dúzia", "7": "seven sete", "8": "eight oito", "9": "nine nove",
        "10": "ten dez", "11": "eleven onze", "12": "twelve doze dozen dúzia", "13": "thirteen treze", "14": "fourteen",
        "15": "fifteen quinze", "16": "sixteen dezesseis", "17": "seventeen dezessete", "18": "eighteen dezoito",
        "19": "nineteen dezenove", "20": "twenty vinte", "30": "thirty trinta", "40": "forty quarenta",
        "50": "fifty cinquenta", "60": "sixty sessenta", "70": "seventy setenta", "80": "eighty oitenta",
        "90": "ninety noventa", "100": "hundred cem cento", "1000": "thousand mil",
        "1000000": "million milhão milhões millions",
    }.items()
    for word in words.split()
}  # fmt: skip
_TIMES = {"k": 3, "mil": 3, "thousand": 3, "mi": 6, "milhão": 6, "milhões": 6, "million": 6, "bilhões": 9, "billion": 9}
_SIGNS = {
    "r$": "BRL", "brl": "BRL", "reais": "BRL", "real": "BRL", "us$": "USD", "$": "USD", "usd": "USD", "dólares": "USD",
    "dollars": "USD", "dollar": "USD", "€": "EUR", "eur": "EUR", "euros": "EUR", "£": "GBP", "gbp": "GBP",
    "pounds": "GBP", "libras": "GBP", "mxn": "MXN", "ars": "ARS", "clp": "CLP", "cop": "COP",
}  # fmt: skip


def _any(words: Sequence[str]) -> str:
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))


_NUMBER = rf"(?:\d+(?:[.,]\d+)*|\b(?:{_any(list(_SPELLED))})\b)(?:\s?(?:{_any(list(_TIMES))})\b)?"
_MONTH_NAMES = {name.casefold(): n for names in MONTHS.values() for n, name in enumerate(names, 1)}
_MONTH_NAMES |= {name[:3].casefold(): n for n, name in enumerate(MONTHS["en"], 1)}
_MONTH = _any(list(_MONTH_NAMES))
_DAY = r"(?P<d>\d{1,2})(?:st|nd|rd|th|º|o)?"
_YEAR = r"(?P<y>\d{4})"
_DATES = [
    re.compile(rf"\b{_YEAR}-(?P<m>\d{{2}})-(?P<d>\d{{2}})\b"),
    re.compile(rf"\b(?P<d>\d{{1,2}})[/.](?P<m>\d{{1,2}})[/.]{_YEAR}\b|\b(?P<d2>\d{{1,2}})/(?P<m2>\d{{1,2}})\b"),
    re.compile(rf"\b{_DAY}\s+(?:de\s+|of\s+)?(?P<n>{_MONTH})\b(?:,?\s+(?:de\s+)?{_YEAR})?", re.I),
    re.compile(rf"\b(?P<n>{_MONTH})\.?\s+{_DAY}\b(?:,?\s+{_YEAR})?", re.I),
]
# "may" and "march" are also words: as months alone they count only after a preposition.
_MONTH_ALONE = re.compile(
    rf"\b(?P<n>{_any([n for n in _MONTH_NAMES if len(n) > 3 and n not in ('march',)])})\b"
    r"|\b(?:in|by|until|since|of|next|last|this|early|late|mid)[\s-](?P<n2>may|march)\b",
    re.I,
)
_WEEKDAY = re.compile(
    rf"\b(?:(?P<en>{_any(WEEKDAYS['en'])})|(?P<pt>terça|quarta|quinta|sexta|sábado|domingo)(?:-feira)?"
    r"|(?:(?P<s1>segunda)-feira|(?:na|até|até a|próxima|nesta|desta) (?P<s2>segunda)(?!\s+\w+ção)))s?\b",
    re.I,
)
_NEAR = re.compile(r"\b(tomorrow|yesterday|amanhã|ontem)\b", re.I)
_ADDRESS = re.compile(
    r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+|(?:https?://|www\.)\S+"
    r"|\b[\w-]+\.(?:com|net|org|io|ai|app|dev|co|br)(?:\.[a-z]{2})?\b(?:/\S*)?",
    re.I,
)
_MONEY = re.compile(rf"(?P<s>R\$|US\$|[$€£]|\b(?:BRL|USD|EUR|GBP|MXN|ARS|CLP|COP)\b)\s*(?P<a>{_NUMBER})"
                    rf"|(?P<b>{_NUMBER})\s*(?:de\s+)?(?P<t>[€£$]|\b(?:{_any([s for s in _SIGNS if s.isalpha()])})\b)", re.I)
_SHARE = re.compile(rf"(?P<a>{_NUMBER})\s*(?:%|per\s?cent\b|por cento\b)", re.I)
_TIME = re.compile(
    r"\b(?P<h>\d{1,2})(?::(?P<m>\d{2})|h(?P<m2>\d{2})?)\s*(?P<p>[ap]\.?m\b)?|\b(?P<h2>\d{1,2})\s*(?P<p2>[ap]\.?m)\b", re.I
)
_PLAIN = re.compile(_NUMBER, re.I)

_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_STARTS = re.compile(r"(?:^|[.!?:;…]|\n)[\s\-–—•*>\"“”'‘’()\[\]]*$")
_HIDDEN = "·"  # stands where something already checked was: no word, no start of a sentence

# Words that begin sentences of an e-mail. Any other capitalised word is taken for a name.
_OPENERS = frozenset("""
a about above according after again all also although an and another any anything as at attached back based because
before below best between both but by can could dear did do does during each either feel finally first following for
from further given glad good great happy have having hello help here hi hope how however i if in instead is it just kind
kindly last later let looking many may maybe meanwhile more most my next no not nothing now of on once one only or our
out over perhaps please proposal question questions quick really regarding regards same say see shall she he should
since sincerely so some still summary sure take talk tell thank thanks that the their then there these they this those
though to today together under until warm was we were what when where whether which while who why will with would yes
yet you your yours
abraço agora agradeço ainda além alguma algum algumas alguns ali anotei antes ao aos apenas após aqui as assim assunto
até atenciosamente basta bem boa bom bons cada caso claro com como conforme contamos continua continuo cordialmente da
das de dela dele depois desde do dos durante e é ela ele eles em enquanto entendi entendo então entre espero essa esse
esta estamos este estou eu faz ficamos fico foi gostaria gostei há hoje isso isto já lembro logo mais mas me mesmo
minha montei muito na nas não nem nessa nesse nesta neste no nos nós nossa nosso o obrigada obrigado oi olá os ou
outra outro para parabéns pela pelas pelo pelos per permaneço pode podemos poderia pois por porque posso prefiro
prezada prezado próximo próximos proposta quais qual qualquer quando quanto que quem queria resumo saudações se segue
seguem seguimos sei sem seria seu seus sobre sua suas sugestão sugiro também talvez te tem temos tenho teria tive todas
todos tudo um uma vamos veja você vocês volto vou
""".split())  # fmt: skip


def untraceable(text: str, facts: Sequence[Fact]) -> list[str]:
    """What the text states and no fact carries, as written there; empty where all is well."""
    known: set[Claim] = set()
    words: list[set[str]] = []
    for fact in facts:
        claims, _ = _claims(fact.text)
        known.update(claim for claim, _ in claims)
        words.append({word.casefold() for word in _WORD.findall(fact.text)})
    claims, rest = _claims(_hide_facts(text, facts))
    found = [shown for claim, shown in claims if claim not in known]
    return list(dict.fromkeys([*found, *_unknown_names(rest, words)]))


def problem(brief: Brief, text: Text) -> str | None:
    """What speaks against handing this text to a person; None where nothing does. Holds no content."""
    if found := untraceable(f"{text.subject}\n\n{text.body}", brief.facts):
        return f"{len(found)} statements that no fact carries"
    if not set(text.used) <= {fact.name for fact in brief.facts}:
        return "it names facts that were not given"
    return None


def _hide_facts(text: str, facts: Sequence[Fact]) -> str:
    """Replace each fact that stands in the text word for word, the longest first.

    A number alone is left for the comparison by kind: 10 in a fact must not excuse 10 % or R$ 10.
    """
    for fact in sorted(facts, key=lambda f: len(f.text), reverse=True):
        if re.search(r"[^\W\d_]{2}", fact.text):
            pattern = rf"(?<![\w$€£%])(?<!\d[.,]){re.escape(fact.text)}(?![\w%]|[.,]\d|\s?%)"
            text = re.sub(pattern, _HIDDEN, text, flags=re.IGNORECASE)
    return text


def _claims(text: str) -> tuple[list[tuple[Claim, str]], str]:
    """What a text states, and the text without it."""
    found: list[tuple[Claim, str]] = []

    def take(pattern: re.Pattern[str], read: object, text: str) -> str:
        def replace(match: re.Match[str]) -> str:
            claims = list(read(match))  # type: ignore[operator]
            found.extend((claim, match.group().strip()) for claim in claims)
            return _HIDDEN if claims else match.group()

        return pattern.sub(replace, text)

    text = take(_ADDRESS, lambda m: [("address", m.group().casefold().rstrip(".,;"))], text)
    for pattern in _DATES:
        text = take(pattern, _read_date, text)
    text = take(_MONEY, _read_money, text)
    text = take(_SHARE, lambda m: [("share", _value(m["a"]))], text)
    text = take(_TIME, _read_time, text)
    text = take(_PLAIN, lambda m: [("number", _value(m.group()))], text)
    text = take(_MONTH_ALONE, lambda m: [("month", _MONTH_NAMES[(m["n"] or m["n2"]).casefold()])], text)
    text = take(_WEEKDAY, _read_weekday, text)
    text = take(_NEAR, lambda m: [("near", m.group().casefold())], text)
    return found, text
