# ruff: noqa: RUF001 - the texts are meant to have characters that look like others
"""Questions and contexts to compare answers on, short and long, in many scripts: the same ones wherever this runs."""

from __future__ import annotations

import itertools

from workbench.models.demo.passages import pairs as passages_and_questions
from workbench.models.probes import probes

Pair = tuple[str, str]

CARS = (
    "Cars came into global use during the 20th century, and developed economies depend on them. The year 1886 is "
    "regarded as the birth year of the modern car when German inventor Karl Benz patented his Benz Patent-Motorwagen. "
    "Cars became widely available in the early 20th century. One of the first cars accessible to the masses was the "
    "1908 Model T, an American car manufactured by the Ford Motor Company. Cars were rapidly adopted in the US, where "
    "they replaced animal-drawn carriages and carts, but took much longer to be accepted in Western Europe and other "
    "parts of the world."
)
WATER = (
    "The first public baths of the town were built by the brothers Ödön and Ágoston Szőke-Nagy in 1871. A naïve café "
    "owner, Mme. Hélène d'Aubigné, had asked for them (in vain) since 1859; the council's reply - \"not yet\" - hung "
    "framed above her counter. Entry cost €0.35, or $0.40 for visitors; e-mail re-entry passes came in 1998."
)
# Written to be hard: what each is about is said above it.
WRITTEN: tuple[Pair, ...] = (
    ("When was the car invented?", CARS),
    ("Who invented the car?", CARS),
    ("Which company manufactured the Model T, and where was it that people rapidly adopted cars?", CARS),
    ("Who built the baths?", WATER),
    ("How much was the entry for visitors?", WATER),
    ("who asked for public baths since 1859", WATER),
    # several windows, the answer in the first, the middle or the last, the same words in several of them
    ("When was the car invented?", " ".join([CARS, *[WATER] * 6])),
    ("Who invented the car?", " ".join([*[WATER] * 6, CARS])),
    ("Who built the baths?", " ".join([*[CARS] * 4, WATER, *[CARS] * 4])),
    ("Who invented the car?", "\n\n".join([CARS] * 8)),
    ("Who invented the car? " * 6, " ".join([WATER, CARS] * 4)),
    ("Where?", " ".join(f"Item {number}: {number * 37 % 101}." for number in range(220))),
    # a word that the border of a window cuts
    ("Who?", " ".join(f"{'antidisestablishmentarianism' * 2}{letter} Ford" for letter in "abcdefghijklmnopqrstuvwxyz")),
    # few words, one word, one character
    ("When?", "1886"),
    ("When?", "In 1886."),
    ("Who?", "  Benz\t"),
    ("Who?", "B"),
    ("?", "?"),
    # not only ASCII: composed and combining accents, scripts without spaces, from right to left, emoji, ligatures
    ("Wo liegt Zürich?", "Zu\u0308rich liegt in der Schweiz, A\u030angstro\u0308m war Schwede; Zürich ist groß."),
    ("首都はどこですか？", "東京は日本の首都です。北京是中国的首都，人口很多。서울은 대한민국의 수도이다."),
    ("ما هي عاصمة مصر؟", "القاهرة هي عاصمة مصر وأكبر مدنها منذ 969. ירושלים היא עיר הבירה של ישראל מאז 1950."),
    ("Who built the 🚗?", "The 🚗 was built 🇩🇪 in 1886 by Karl 👍🏽 Benz, of the Benz 👩‍👩‍👧‍👦 family 😀."),
    ("What is it?", "The ﬁrst ½ of the ㎏, ＡＢＣ in full width, İstanbul and straße, Việt Nam, ῾Ελλάς."),
    # white space, control characters, and tokens of the tokenizer itself
    ("Which line?", "first line\r\nsecond\tline\u00a0here\u2003and\u200bthere a\x00b \ufffd c\u200dd"),
    ("What is masked?", "The [MASK] was built in 1886 [SEP] by [CLS] Benz [UNK] and [PAD] others."),
    ("What is [SEP] in 1886?", "The car was invented in 1886 by Karl Benz."),
)

# One word or less, in the scripts that tokenizers treat differently.
_WORDS = (
    "Yes", "no.", "42", "3.14", "-", "…", "a", "Å", "e\u0301", "ﬁ", "Straße", "東京", "서울", "東", "القاهرة", "ירושלים",
    "Москва", "Ἀθῆναι", "दिल्ली", "กรุงเทพ", "🚗", "👩‍👩‍👧‍👦", "🇩🇪", "$5", "C++", "naïve", "A.B.C.", "x\u200by", "¿", "½",
)  # fmt: skip
_BLANKS = ("{}", " {}", "{} ", "\n\n{}\n", "\t {}", "\u3000{}\u00a0")

# The answer is what the question names, somewhere in a text of other scripts, accents and symbols.
_SENTENCES = (
    "Müller wohnt in Köln und zahlt 12,50 € Miete.",
    "L'été, Zoë et Noël dînent à l'hôtel « Le Châtelet » près d'Orléans.",
    "Số điện thoại của Nguyễn Văn Đức ở Đà Nẵng là 0905.",
    "Ο Γιώργος γεννήθηκε στην Αθήνα το 1974.",
    "Александр Пушкин родился в Москве в 1799 году.",
    "山田太郎は1985年に大阪で生まれました。",
    "王小明住在上海市浦东新区。",
    "김철수는 2001년에 부산에서 태어났다.",
    "وُلد أحمد زويل في دمنهور عام 1946.",
    "דוד בן-גוריון נולד בפלונסק בשנת 1886.",
    "महात्मा गांधी का जन्म पोरबंदर में हुआ था।",
    "สมชายเกิดที่เชียงใหม่ในปี 2530",
    "The café's e\u0301clair 🥐 costs 3€ – “très cher”, said Ana 😀😀.",
    "Zu\u0308rich, A\u030angstro\u0308m, n\u0303andu\u0301: marks that combine.",
    "İstanbul’da ılık bir gün; ŞİŞLİ, Iğdır.",
    "ｆｕｌｌ　ｗｉｄｔｈ　１２３ and ㎏, ℃, №, ™",
)
_QUESTIONS = ("Who?", "Where was it?", "When?", "How much?", "Who was born in 1886?", "¿Quién?", "どこですか？", "Где?")

# What the demo models were made for, names and subjects that they have not been trained on; then several passages in one
# context, so that it takes more than one window of 384 tokens.
_PASSAGES = 140
_LONG = 30


def _words() -> list[Pair]:
    return [
        (_QUESTIONS[place % len(_QUESTIONS)], _BLANKS[place % len(_BLANKS)].format(word))
        for place, word in enumerate(_WORDS)
    ]


def _scripts() -> list[Pair]:
    """Each sentence alone and among others, which are in other scripts."""
    alone = [(_QUESTIONS[place % len(_QUESTIONS)], text) for place, text in enumerate(_SENTENCES)]
    among = [
        (_QUESTIONS[(place + 3) % len(_QUESTIONS)], " ".join([*_SENTENCES[place:], *_SENTENCES[:place]][:size]))
        for place, size in zip(range(len(_SENTENCES)), itertools.cycle((2, 5, 12, 16)), strict=False)
    ]
    return alone + among


def _passages() -> list[Pair]:
    source = passages_and_questions(7, held_out=True, sentences=(2, 12))
    return [(passage.questions[0].text, passage.context) for passage, _ in itertools.islice(source, _PASSAGES)]


def _long() -> list[Pair]:
    found = []
    source = passages_and_questions(8, held_out=True, sentences=(8, 12))
    for number in range(_LONG):
        several = [passage for passage, _ in itertools.islice(source, 3 + number % 4)]
        asked = several[number % len(several)]
        found.append((asked.questions[0].text, "\n".join(passage.context for passage in several)))
    return found


PAIRS: tuple[Pair, ...] = (
    *WRITTEN,
    *((probe.question, probe.text) for probe in probes()),
    *_words(),
    *_scripts(),
    *_passages(),
    *_long(),
)
