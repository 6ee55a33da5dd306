"""Generates short encyclopaedic passages with questions whose answers are spans of the passage.

The demo models learn from these and are tested on them. A passage tells of a few subjects (inventions, companies,
structures, discoveries), of the people behind them, of years and places, and pads this with sentences that answer
nothing. Names of people, places and products are put together from syllables, so that what can be learnt is how a
sentence says who did what when, and not who did it. Everything follows from the seed. Standard library only:
tokenizers and models are `workbench.models.demo.train`.

Sentences are written in a small notation: `[a|b|c]` is one of its alternatives, which nest and may be empty, and
`{slot}` is replaced by the subject's value for it.
"""

from __future__ import annotations

import random
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

# Kept out of everything that is generated: the passage that the demo is shown with must stay unseen.
RESERVED_YEARS = frozenset({1886, 1908})
RESERVED_NAMES = re.compile(r"karl|benz|ford|motorwagen|\bcars?\b")

# One subject or name in this many belongs to the held-out part, which training never draws from.
HELD_OUT_SHARE = 8


@dataclass(frozen=True)
class Question:
    """A question and the characters `start` to `end` (exclusive) of the passage that answer it.

    `told` has the first and the last (exclusive) character of the sentence or two that tell it.
    """

    text: str
    start: int
    end: int
    told: tuple[int, int]


@dataclass(frozen=True)
class Mention:
    """Characters `start` to `end` (exclusive) of a passage that name something of a `kind`, one of `MENTION_KINDS`."""

    kind: str
    start: int
    end: int


@dataclass(frozen=True)
class Passage:
    """A text, the questions it answers (at least one), and who, when, where and what it mentions, in order."""

    context: str
    questions: tuple[Question, ...]
    mentions: tuple[Mention, ...]

    def answer(self, question: Question) -> str:
        """The text that answers `question`."""
        return self.context[question.start : question.end]


def passages(seed: int, *, held_out: bool = False, sentences: tuple[int, int] = (2, 8)) -> Iterator[Passage]:
    """Endless passages of about `sentences` (fewest, most) sentences each.

    With `held_out`, names and subjects come from a part of all names and subjects that passages without it never use.
    The same arguments give the same passages.
    """
    writer = _Writer(random.Random(seed), held_out)  # noqa: S311 - text for training, not a secret
    while True:
        yield writer.passage(writer.random.randint(*sentences))


def pairs(
    seed: int, *, held_out: bool = False, sentences: tuple[int, int] = (2, 8)
) -> Iterator[tuple[Passage, Question]]:
    """Endless passages, as `passages` has them, with one of the questions of each."""
    source = random.Random(seed)  # noqa: S311 - text for training, not a secret
    for passage in passages(seed, held_out=held_out, sentences=sentences):
        yield passage, source.choice(passage.questions)


def is_held_out(word: str) -> bool:
    """Whether a name or a subject belongs to the held-out part."""
    return zlib.crc32(word.casefold().encode()) % HELD_OUT_SHARE == 0


# ---------------------------------------------------------------------------------------------------------------------
# Words


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_ONSETS = _words(
    "b c d f g h j k l m n p r s t v w z " * 3 + "br bl ch dr fl fr gl gr kl kr pl pr qu sch sh sk sl st str th tr wh y"
)
_VOWELS = _words("a e i o u " * 6 + "a e i o " * 4 + "ai au ea ee ei eu ia ie oo ou ue y ö ü á é")
_CODAS = _words("d g k l m n p r s t " * 3 + "b ck ff ll lm ln lt mp nd ng nk nt nz rd rg rk rl rm rn rt ss st tz x z")

_CITY_ENDINGS = ("", "", "", "burg", "ville", "ton", "stadt", "ham", "by", "grad", "mouth", "port", " City", "field")
_COUNTRIES = (
    ("Germany", "German"), ("France", "French"), ("Italy", "Italian"), ("Britain", "British"), ("England", "English"),
    ("Scotland", "Scottish"), ("America", "American"), ("the United States", "American"), ("Spain", "Spanish"),
    ("Sweden", "Swedish"), ("Norway", "Norwegian"), ("Denmark", "Danish"), ("Poland", "Polish"), ("Russia", "Russian"),
    ("Austria", "Austrian"), ("Hungary", "Hungarian"), ("Japan", "Japanese"), ("China", "Chinese"), ("India", "Indian"),
    ("Brazil", "Brazilian"), ("Mexico", "Mexican"), ("Canada", "Canadian"), ("Ireland", "Irish"), ("Turkey", "Turkish"),
    ("Greece", "Greek"), ("Egypt", "Egyptian"), ("Belgium", "Belgian"), ("Switzerland", "Swiss"), ("Chile", "Chilean"),
    ("the Netherlands", "Dutch"), ("Portugal", "Portuguese"), ("Finland", "Finnish"), ("Australia", "Australian"),
)  # fmt: skip
_REGIONS = (
    "Europe", "Asia", "Africa", "North America", "South America", "Northern Europe", "the south", "the north",
    "Eastern Asia", "the west", "the UK", "the colonies", "the provinces", "Central Europe", "the mountains",
)  # fmt: skip
_PROFESSIONS = _words(
    "engineer inventor mechanic chemist physicist teacher scientist craftsman student blacksmith clockmaker designer "
    "doctor architect printer merchant carpenter officer professor farmer watchmaker manufacturer amateur researcher"
)
_MONTHS = _words("January February March April May June July August September October November December")

# Common nouns for what was invented. The subject of the demo's own questions is not among them.
_INVENTIONS = _words(
    "telephone bicycle typewriter zipper microscope telescope thermometer barometer compass clock watch lamp lantern "
    "candle match stove oven refrigerator toaster kettle umbrella needle loom piano violin guitar trumpet saxophone "
    "accordion camera projector phonograph radio television computer calculator battery magnet generator turbine "
    "engine pump windmill watermill plough tractor reaper thresher elevator escalator crane bulldozer tunnel railway "
    "locomotive tram submarine steamship lighthouse parachute airship balloon glider helicopter rocket satellite "
    "tank rifle cannon revolver torpedo dynamite gunpowder paper pencil eraser notebook printer scanner keyboard "
    "stapler scissors-grinder lawnmower dishwasher hairdryer vacuum sewing-machine washing-machine razor toothbrush "
    "soap perfume aspirin vaccine stethoscope syringe spectacles-case wheelchair bandage pacemaker crutch hearing-aid "
    "skateboard snowboard ski sledge kite trampoline chessboard jigsaw puzzle doll whistle bell drum harp flute organ "
    "synthesizer metronome amplifier loudspeaker microphone headphone telegraph pager postage-stamp envelope "
    "parking-meter traffic-light taxi bus lorry truck motorcycle scooter moped tricycle pram trolley wagon tyre brake "
    "gearbox seat-belt spark-plug carburettor ball-bearing spring screw bolt padlock safe doorbell fire-alarm "
    "sprinkler fire-extinguisher smoke-detector lightning-rod light-bulb laser transistor microchip hard-disk robot "
    "drone hovercraft ferry canoe sextant periscope seismograph gyroscope centrifuge incubator greenhouse barbed-wire "
    "tin-can bottle-opener corkscrew teabag sandwich-toaster ice-cream-maker chewing-gum fountain-pen ballpoint-pen"
)
_HEADS = _words(
    "pump press clock loom lamp engine boat wheel bridge lock plough mill valve pen stove organ drill saw furnace lens "
    "cable bell gauge lift boiler mask saddle ladder printer harvester filter heater mirror tower signal hammer meter"
)
_ATTRIBUTES = _words(
    "steam hand water glass paper wind gas oil air copper iron pocket wall table foot double rotary pedal salt sand "
    "ribbon mercury carbon vacuum solar magnetic hydraulic folding floating silent wooden garden kitchen ship school"
)
_MODIFIERS = _words(
    "modern practical successful working commercial portable reliable simple usable proper complete true ordinary"
)

_NOUNS = _words(
    "river valley farmer village road winter summer garden market school church library museum teacher doctor king "
    "queen soldier ship harbour forest mountain island field house street window table letter book newspaper song "
    "story language law court tax trade bank price wage factory workshop mine wood stone metal fabric leather grain "
    "wheat horse cow goat dog bird bee tree flower fruit bread cheese meal kitchen family village mother father "
    "neighbour visitor traveller writer painter singer player team game prize festival holiday weekend morning evening "
    "storm flood fire war treaty border government minister parliament city capital suburb district railway station "
    "bridge canal tunnel airport customer worker owner shop office machine tool wheel engine fuel coal oil gas water "
    "energy light heat sound colour picture map number question answer reason idea theory method experiment "
    "laboratory university society economy industry nation region world century decade year month week day hour part"
)
_ADJECTIVES = _words(
    "old new small large heavy light cheap expensive early late rich poor quiet loud strange common rare famous local "
    "foreign northern southern eastern western public private royal national narrow wide deep shallow cold warm dry "
    "wet bright dark simple difficult useful dangerous safe strong weak fast slow young popular modern ancient wooden "
    "empty crowded busy important separate similar different developed industrial rural urban global horse-drawn"
)
_VERBS = _words(
    "changed followed reached crossed replaced joined opened closed moved carried sold bought built repaired painted "
    "visited described studied collected protected supported attacked ruled taxed feared praised ignored improved "
    "damaged surrounded supplied needed wanted remembered accepted rejected adopted controlled served shaped used"
)
_ADVERBS = _words(
    "slowly quickly rapidly often rarely soon later eventually gradually largely mostly almost never still widely "
    "seldom usually suddenly quietly directly barely clearly nearly together"
)
_LINKS = ("in", "near", "behind", "before", "after", "without", "under", "across", "between", "because of", "along")


# ---------------------------------------------------------------------------------------------------------------------
# Sentences


@dataclass(frozen=True)
class _Topic:
    """One kind of fact: sentences that state it, and for each slot that can be asked for, the questions."""

    shapes: tuple[str, ...]
    questions: Mapping[str, tuple[str, ...]]


_INVENTION = _Topic(
    shapes=(
        "{person} [invented|devised|developed|created|designed] the {mod}{thing} in {year}[ in {place}|].",
        "{person} [invented|built|designed] the {mod}{thing} in {year} and the {other_thing} in {later}.",
        "[In|Around|As early as] {year}[ in {place}|], [the |]{nat} {prof} {person} [invented|built|designed|made] "
        "[the|the first] {mod}{thing}.",
        "The [first |]{mod}{thing} was [invented|devised|built|developed|made] in {year} by {person}[ in {place}|].",
        "The {mod}{thing} was [invented|devised|developed|created] [by {person} in {year}|in {place} by {person}|"
        "by the {nat} {prof} {person} in {year}|in {year} by {nat} {prof} {person}].",
        "{person}, a {nat} {prof}[ from {home}|], [built|made|designed] the first {mod}{thing} in {year}"
        "[ in {place}|].",
        "{person} ({birth}-{death}), [a {nat} {prof}|{prof} from {home}], [invented|built] [the|the first] {mod}{thing}"
        "[ in {year}| at {place}|].",
        "When {nat} {prof} {person} [patented|presented|announced] {his} {brand} in {year}, "
        "[hardly anyone|few people|nobody] [had seen|believed in|asked for] [such |]a {mod}{thing}.",
        "When [the {nat} {prof} |]{person} [patented|presented|showed] [the {mod}{thing}|the first {mod}{thing}] in "
        "{year}, [the newspapers|neighbours|other {nat} {prof}s] [laughed|were not impressed|took no notice].",
        "The year {year} [is|was later|is often] [counted|regarded|remembered|seen|taken|celebrated] as the "
        "[beginning|start|first year|dawn|birth] of the {mod}{thing}[, because in that year|: in that year|, as|, for] "
        "[the |]{nat} {prof} {person} [patented|registered|showed|completed] {his} {brand}.",
        "{year} [is|was] [regarded as|held to be|considered] the year [of birth of the {mod}{thing}|in which the "
        "{mod}{thing} was born], [since|as] {person}[, a {nat} {prof},|] [filed|received] a patent for {his} {brand}"
        "[ in {place}|].",
        "[Historians|Most writers|Experts] [date|trace] the [origin|birth|invention|beginnings] of the {mod}{thing} "
        "[to|back to] {year}, when [the {nat} {prof} |{prof} |]{person} [showed|demonstrated|finished|patented] "
        "[{his} {brand}|the {brand}][ in {place}|].",
        "It was [in {place} |]in {year} that {person} [invented|designed|built] the {mod}{thing}.",
        "It was {person}[, a {nat} {prof},|] who [invented|devised|designed|built] the [first |]{mod}{thing}"
        "[ in {year}|].",
        "The [inventor|father|creator] of the {mod}{thing} [is|was|is said to be] [the {nat} {prof} |]{person}, "
        "[who [patented|built|presented] [it|the {brand}] in {year}|{prof} in {place}].",
        "The [invention|idea] of the {mod}{thing} is [credited to|due to|usually attributed to] {person}"
        "[, who [built|sold] the first one in {year}| of {place}|].",
        "The {mod}{thing}, [invented|developed|patented|designed] [in {year}|by {person}|by {person} in {year}|"
        "in {place} in {year}], [changed|transformed|shaped] [daily life|trade|many industries|the {nat} economy].",
        "A patent for the {mod}{thing} was [granted|given|awarded] to {person} in {year}.",
        "The {mod}{thing} is a [very old |]{nat} invention. [It was [built|made] for the first time in {year} by "
        "{person}|{person} [made|built] the first one in {year}|It [dates from|goes back to] {year} and to {person}]"
        "[ in {place}|].",
        "The history of the {mod}{thing} [begins|starts|began] [in {year}|in {place}], [when|where] [the {prof} |]"
        "{person} [built|tested|drew] [a|the] {brand}.",
        "[After years of work|After many failures|With {his} last money|At the age of {age}], {person} "
        "[finished|completed|built] the first {mod}{thing} in {year}[ in {place}|].",
        "In {place}, {person} [built|invented|put together] [a|the first] {mod}{thing} in "
        "[the [spring|autumn] of |]{year}.",
        "{thing_p} [did not exist|were unknown] [before|until] {year}, when {person} [invented|built|made] the first "
        "[one|{thing}][ in {place}|].",
        "{person}'s {brand} of {year} [was|is regarded as|counts as] the first {mod}{thing}[ in {place}|].",
        "{person} is [credited with|known for|remembered for] [inventing|building|developing] the [first |]{mod}{thing}"
        "[ in {year}| in {place} in {year}|].",
        "[In {year} came|{year} saw|{year} brought] the [first|birth of the] {mod}{thing}, [built|designed|invented] by "
        "[the |]{nat} {prof} {person}[ in {place}|].",
        "The first {thing_p} were [built|made|designed] [in {year} by {person}|by {person} in {year}|"
        "by {nat} {prof} {person}|in {place} by {person}].",
    ),
    questions={
        "person": (
            "Who invented the {thing}?", "Who invented the {thing}?", "Who invented the {thing}?",
            "Who [built|made|designed] the first {thing}?", "Who [created|devised|developed|designed] the {thing}?",
            "Who [was|is] the inventor of the {thing}?", "[By whom|By which inventor] was the {thing} invented?",
            "Who [is credited with|came up with] the {thing}?", "Which [inventor|person] [invented|built] the {thing}?",
            "What is the name of the [person who invented|inventor of] the {thing}?", "Who invented {thing_p}?",
            "The {thing} was invented by whom?", "Who invented the {mod}{thing}?",
        ),
        "year": (
            "When was the {thing} invented?", "When was the {thing} invented?", "When was the {thing} invented?",
            "[In what year|In which year|What year] was the {thing} invented?", "When was the first {thing} [built|made]?",
            "When was the {thing} [developed|patented|created|designed]?", "When did {person} [invent|build] the {thing}?",
            "[In which year|When] did {last} [invent|make|build] the {thing}?", "When were {thing_p} invented?",
            "The {thing} was invented in what year?", "When was the {mod}{thing} invented?",
        ),
        "place": (
            "Where was the {thing} invented?", "Where was the {thing} invented?", "Where was the first {thing} [built|made]?",
            "In [which|what] [place|city|town] was the {thing} invented?", "Where did {person} [invent|build] the {thing}?",
        ),
    },
)  # fmt: skip

# True of an invention, and no answer to any question about its origin.
_ABOUT_INVENTIONS = (
    "{thing_p} [spread|became [common|popular|cheap]|came into [wide|general|everyday|daily] use] "
    "[during|in|over] the [early |late |]{century} century[, and [many|most] [households|towns|firms] rely on them|].",
    "By {later}[ there were|, people counted] [some|about|more than] {many} {thing_p} in {country}.",
    "One of the [first|earliest|best known] {thing_p} [sold to|made for|within reach of] [ordinary [people|families]|"
    "farmers|the public] was the {later} {model}[, a {nat} {thing} [made|sold] by {company}| from {company}|].",
    "One of the first {thing_p} {adj} to [most |the |]{noun_p} was the {later} {model}[ from {town}| of {company}|].",
    "Among the first {thing_p} that [ordinary people|most families|farmers] could [buy|pay for|repair] were the {later} "
    "{model} and the {model}[, both {nat}|].",
    "The first [widely sold|really cheap|well-known] {thing} was the {model} of {later}[, which {company} [made|sold]|].",
    "The first {adj} {thing_p}, [such as|like] the {later} {model} [by|from] {company}, {verb} the {noun}.",
    "The {later} {model}, [produced|made|built|manufactured] [by|in the works of] {company}, [was|became] "
    "[a {nat} success|the best-selling {thing}|the {thing} of a whole generation].",
    "In {later}, {company} [began|started] to [sell|make|produce] {thing_p} in {town}.",
    "{company} of {town} [made|built|sold] {its} [first|last] {thing} in {later}.",
    "[Today|Nowadays|At present], [almost every [village|school|home]|most families] in {region} [has|owns|uses] a {thing}.",
    "In {region}, {thing_p} [soon |quickly |][replaced|drove out] {noun_p} and {noun_p}, but "
    "[it took longer|they were hardly known|nobody wanted them] in {region}.",
    "{thing_p} were [slowly|quickly|rapidly|soon] [accepted|adopted|copied] in {country}, where they [took the place of|"
    "were used instead of] {adj} {noun_p}.",
    "[Since|After] {later}[ the government of {country}|, {country}] has [taxed|banned|protected] {thing_p}.",
    "A {thing} [weighs|costs|lasts|needs] [about|less than|up to] {number} [kilograms|coins|years|litres].",
    "{adj} {noun_p} [depend|live|depended] on {thing_p}.",
    "The {adj} {thing} of {person2} [was|came] [shown|sold|exhibited] [in {town} |]in {later}.",
    "The museum of {town} [shows|keeps|has] a {thing} [from|of] {later}.",
    "[Many|Some|Few] {noun_p} [could pay for|asked for|understood] a {thing} before {later}.",
    "{person2}, [a {nat} {prof}|who led {company}], [improved|sold|praised|repaired] the {thing} in {later}.",
    "The {century} century [was|is called] the age of the {thing}.",
    "{company} [stopped making|gave up] {thing_p} in {later}.",
)

# What follows the fact about an invention, and speaks of the same person.
_LIFE = _Topic(
    shapes=(
        "{person} was born [in {birth}|in {birth} in {home}|in {home}|in {home} in {birth}].",
        "Born in {birth}[ in {home}|], {last} [first |][worked|served|trained] as a {prof} [for {company}|in {town}].",
        "{last} [died|passed away] in {death}[ in {grave}| at {grave}|].",
        "{person} [died|was buried] in {grave}[ in {death}|].",
        "{last} had [studied|taught|lived] in {town} [before|for {age} years].",
        "{he} [was|had been] born in {home} in {birth}.",
        "{he} [died|retired] [in {death}|poor and forgotten|a rich {prof}].",
        "{his} [brother|sister|friend|partner] {person2} [helped|paid for the work|kept the books].",
        "{last} never [became rich|saw {town} again|spoke of it].",
    ),
    questions={
        "birth": ("When was {person} born?", "In [which|what] year was {person} born?", "When was {last} born?"),
        "home": ("Where was {person} born?", "In which [town|city|place] was {person} born?", "Where was {last} born?"),
        "death": ("When did {person} die?", "In [which|what] year did {last} die?"),
    },
)  # fmt: skip

_COMPANY = _Topic(
    shapes=(
        "{firm} was [founded|started|set up|established] in {year} by {person}[ in {place}|].",
        "In {year}, {person} [founded|started|established] {firm}[ in {place}|].",
        "{person}, a {nat} {prof}, [founded|established|set up] {firm} in {place}[ in {year}|].",
        "{firm}, [founded|established] [by {person} in {year}|in {year} in {place}|in {place} by {person}], "
        "[makes|made|sells] {noun_p} and {thing_p}.",
        "The [founder|first owner] of {firm} was {person}, who [opened|started] it in {year}[ in {place}|].",
    ),
    questions={
        "person": (
            "Who [founded|started|established] {firm}?", "Who was the founder of {firm}?", "By whom was {firm} founded?",
        ),
        "year": ("When was {firm} [founded|established|started]?", "In [which|what] year was {firm} founded?"),
        "place": ("Where was {firm} [founded|established]?", "In which [city|town] was {firm} founded?"),
    },
)  # fmt: skip

_STRUCTURE = _Topic(
    shapes=(
        "The {structure} in {place} was [built|designed|planned] by {person} [and opened in|in] {year}.",
        "{person} [built|designed] the {structure} in {place}[ in {year}|].",
        "In {year}, the {structure}, [designed by {person}|a work of {person}], [was opened|was finished] in {place}.",
        "The {structure} [stands|is] in {place}. It was [built|finished|opened] in {year} "
        "[after plans of|by|under] [the {nat} {prof} |]{person}.",
        "The architect of the {structure} was {person}. [It|The building] was [built|finished|completed] in {year}"
        "[ in {place}|].",
    ),
    questions={
        "person": (
            "Who [built|designed] the {structure}?", "Who was the architect of the {structure}?",
            "By whom was the {structure} [built|designed]?",
        ),
        "year": ("When was the {structure} [built|opened|finished]?", "In [which|what] year was the {structure} built?"),
        "place": ("Where is the {structure}?", "Where was the {structure} built?", "In which [town|city] is the {structure}?"),
    },
)  # fmt: skip

_DISCOVERY = _Topic(
    shapes=(
        "{person} discovered {found} in {year}[ in {place}|].",
        "[In|Around] {year}, [the {nat} {prof} |]{person} [discovered|found|first described] {found}[ in {place}|].",
        "{found} was [discovered|found|first described|identified] [by {person} in {year}|in {year} by {person}|"
        "in {place} by {nat} {prof} {person}].",
        "{found} was unknown until {person}, a {nat} {prof}, [discovered|described] it in {year}[ in {place}|].",
        "The discovery of {found} is [credited to|the work of] {person}[, who [announced|published] it in {year}|].",
    ),
    questions={
        "person": (
            "Who discovered {found}?", "Who [found|first described] {found}?", "By whom was {found} discovered?",
            "Who was the discoverer of {found}?",
        ),
        "year": ("When was {found} [discovered|found]?", "In [which|what] year was {found} discovered?"),
        "place": ("Where was {found} [discovered|found]?",),
    },
)  # fmt: skip

_FILLERS = (
    "The {adj} {noun} {verb} the {noun}.",
    "The {noun} of {town} {verb} {noun_p} and {noun_p}.",
    "{adj} {noun_p} {adv} {verb} the {adj} {noun} {link} the {noun}.",
    "[In|During|Before|After] the [early |late |]{century} century, {noun_p} {verb} the {noun}.",
    "[In|Until|Since] {other}, {noun_p} {adv} {verb} {adj} {noun_p}.",
    "In {other}, a {adj} {noun} {verb} {town}.",
    "{country} {verb} {noun_p} {link} {region}.",
    "{region} and [the rest|large parts] of the {noun} {adv} {verb} the {noun}.",
    "{person2} {verb} the {noun} {link} {town}[ in {other}|].",
    "{person2} was a {nat} {prof}[ from {town}|].",
    "{person2} [won|lost] the {adj} {noun} in {other}, {link} the {noun} of {person3}.",
    "{company} {verb} {noun_p} {link} {country}.",
    "[There were|It had|They counted] [about|only|more than] {many} {noun_p} in {town}[ in {other}|].",
    "[Nobody|Everybody|Hardly anyone] {verb} the {adj} {noun}, but the {noun} {adv} {verb} it.",
    "[Many|Some|Most|Few] {noun_p} [depend|live|rely] on {adj} {noun_p}, and {noun_p} do not.",
    "The {pseudo} {noun} and the {adj} {pseudo} {verb} {pseudo_p}.",
    "A {pseudo} is a kind of {noun}, {adv} {pseudo} and {adv} {adj}.",
    "{pseudo} {noun_p} {verb} the {pseudo} of the {noun}, where they {verb} {pseudo}-{pseudo} {noun_p}.",
    "It is [one of the|among the] {adj} {noun_p} of {region}, {link} a {noun} of {number} {noun_p}.",
    "[Although|While|Because] the {noun} was {adj}, {noun_p} {verb} it {adv}.",
    "On {day} {month} {other}, the {noun} {verb} the {noun}.",
    "The price of {noun_p} [rose|fell] by {number} per cent [in|after|before] {other}.",
    "[However|At first|In the end|For example], the {noun} [was|remained|seemed] {adj}.",
)


# ---------------------------------------------------------------------------------------------------------------------
# Writing


def _plural(noun: str) -> str:
    if noun.endswith(("s", "x", "ch", "sh")):
        return noun + "es"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + "s"


def _ordinal(number: int) -> str:
    suffix = "th" if number in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{suffix}"


@dataclass(frozen=True)
class _Slot:
    name: str


# Literal text, a slot, or alternatives.
_Node = str | _Slot | tuple[tuple["_Node", ...], ...]


@cache
def _parse(shape: str) -> tuple[_Node, ...]:
    """A sentence in the notation of this module, taken apart."""
    nodes, end = _parse_sequence(shape, 0)
    assert end == len(shape), f"unbalanced brackets in {shape!r}"  # noqa: S101 - shapes are constants of this module
    return nodes


def _parse_sequence(shape: str, position: int) -> tuple[tuple[_Node, ...], int]:
    nodes: list[_Node] = []
    while position < len(shape) and shape[position] not in "|]":
        if shape[position] == "[":
            alternatives: list[tuple[_Node, ...]] = []
            while shape[position] != "]":
                nodes_of_one, position = _parse_sequence(shape, position + 1)
                alternatives.append(nodes_of_one)
            nodes.append(tuple(alternatives))
            position += 1
        elif shape[position] == "{":
            end = shape.index("}", position)
            nodes.append(_Slot(shape[position + 1 : end]))
            position = end + 1
        else:
            end = position
            while end < len(shape) and shape[end] not in "[]{}|":
                end += 1
            nodes.append(shape[position:end])
            position = end
    return tuple(nodes), position


@cache
def _slots(shape: str) -> frozenset[str]:
    return frozenset(re.findall(r"{(\w+)}", shape))


@dataclass(frozen=True)
class _Text:
    """One or more sentences, and what they mention: where each slot's value stands (the first time), and as what."""

    text: str
    spans: Mapping[str, tuple[int, int]]
    mentions: tuple[Mention, ...]


@dataclass(frozen=True)
class _Item:
    """A text that keeps its place behind the one before it if `bound`, and the questions it answers."""

    text: _Text
    questions: tuple[tuple[str, int, int], ...] = ()
    bound: bool = False


_KINDS = {
    slot: kind
    for kind, slots in {
        "person": ("person", "person2", "person3", "last"),
        "year": ("year", "birth", "death", "later", "other"),
        "place": ("place", "home", "grave", "town", "country", "region"),
        "company": ("company", "firm"),
        "product": ("brand", "model"),
        "thing": ("thing", "thing_p", "other_thing", "structure", "found"),
    }.items()
    for slot in slots
}
MENTION_KINDS = tuple(sorted(set(_KINDS.values())))

_Subject = Mapping[str, str]


class _Writer:
    """Draws words, subjects and sentences from one random source and one of the two parts."""

    def __init__(self, source: random.Random, held_out: bool) -> None:
        self.random = source
        self.held_out = held_out
        self.things: set[str] = set()
        pick = source.choice
        self.words: dict[str, Callable[[], str]] = {
            "adj": lambda: self._word(_ADJECTIVES),
            "adv": lambda: pick(_ADVERBS),
            "company": self._company,
            "country": lambda: pick(_COUNTRIES)[0],
            "century": lambda: _ordinal(source.randint(14, 21)),
            "day": lambda: str(source.randint(1, 28)),
            "link": lambda: pick(_LINKS),
            "many": self._quantity,
            "model": self._model,
            "month": lambda: pick(_MONTHS),
            "nat": self._nationality,
            "noun": lambda: self._word(_NOUNS),
            "noun_p": lambda: _plural(self._word(_NOUNS)),
            "number": lambda: str(source.randint(2, 98)),
            "other": lambda: self._year(1400, 2020),
            "other_thing": self._invention,
            "person2": self._person,
            "person3": self._person,
            "prof": lambda: pick(_PROFESSIONS),
            "pseudo": self._pseudo_word,
            "pseudo_p": lambda: _plural(self._pseudo_word()),
            "region": lambda: pick(_REGIONS),
            "town": self._town,
            "verb": lambda: pick(_VERBS),
        }

    # Passages

    def passage(self, sentences: int) -> Passage:
        """A passage of about so many sentences, at least one of them a fact."""
        source = self.random
        self.things.clear()
        blocks: list[list[_Item]] = []
        for _ in range(source.randint(1, min(5, sentences))):
            topic = source.choices((_INVENTION, _COMPANY, _STRUCTURE, _DISCOVERY), (7, 1, 1, 1))[0]
            blocks.append(self._block(topic, sentences))
        if sentences > 2 and source.random() < 0.3:  # an invention of which the origin is not told
            stranger = self._subject()
            blocks.append([_Item(self._fill(source.choice(_ABOUT_INVENTIONS), stranger))])
        source.shuffle(blocks)
        items = [item for block in blocks for item in block]
        while len(items) < sentences:
            places = [at for at in range(len(items) + 1) if at == len(items) or not items[at].bound]
            items.insert(source.choice(places), _Item(self._fill(source.choice(_FILLERS), {})))
        context = ""
        questions: list[Question] = []
        mentions: list[Mention] = []
        for item in items:
            offset = len(context) + 1 if context else 0
            context = f"{context} {item.text.text}" if context else item.text.text
            questions += [
                Question(wording, start + offset, end + offset, told=(offset, len(context)))
                for wording, start, end in item.questions
            ]
            mentions += [Mention(m.kind, m.start + offset, m.end + offset) for m in item.text.mentions]
        return Passage(context, tuple(questions), tuple(mentions))

    def _block(self, topic: _Topic, sentences: int) -> list[_Item]:
        """A fact about one new subject, with sentences around it that belong to the same subject."""
        source = self.random
        subject = self._subject()
        fact = self._fact(topic, subject, frozenset())
        items = [fact]
        if topic is not _INVENTION:
            return items
        told = {"person"} if subject["person"] in fact.text.text else set[str]()
        if told and sentences > 1 and source.random() < 0.35:
            for shape in source.sample(_LIFE.shapes, source.randint(1, 2)):
                items.append(self._fact(_LIFE, subject, frozenset(told), shape=shape))
        if sentences > 1:
            about = source.sample(_ABOUT_INVENTIONS, source.choice((0, 0, 1, 1, 2, 3)))
            texts = [_Item(self._fill(shape, subject)) for shape in about]
            before = source.randint(0, len(texts))
            items = [*texts[:before], *items, *texts[before:]]
        return items

    def _fact(self, topic: _Topic, subject: _Subject, told: frozenset[str], *, shape: str | None = None) -> _Item:
        while True:
            text = self._fill(shape or self.random.choice(topic.shapes), subject)
            known = told | text.spans.keys()
            questions: list[tuple[str, int, int]] = []
            for slot, wordings in topic.questions.items():
                if slot not in text.spans:
                    continue
                wording = self._wording(wordings, subject, known)
                questions.append((wording, *text.spans[slot]))
            questions.sort(key=lambda question: question[1:])
            if questions or topic is _LIFE:
                return _Item(text, tuple(questions), bound=topic is _LIFE)

    def _wording(self, wordings: tuple[str, ...], subject: _Subject, known: frozenset[str]) -> str:
        """A question that speaks of nobody whom the passage has not named, at times carelessly typed."""
        source = self.random
        while True:
            shape = source.choice(wordings)
            if "person" in known or not _slots(shape) & {"person", "last"}:
                break
        text = self._fill(shape, subject).text
        if source.random() < 0.08:
            text = text.rstrip("?")
        if source.random() < 0.08:
            text = text[0].lower() + text[1:]
        return text

    def _fill(self, shape: str, subject: _Subject) -> _Text:
        """The shape with alternatives chosen, slots filled in, "a" before a vowel made "an", and a capital in front."""
        pieces: list[str] = []
        spans: dict[str, tuple[int, int]] = {}
        mentions: list[Mention] = []
        length = 0

        def add(text: str) -> None:
            nonlocal length
            if text and text[0] in "aeiouAEIOU" and pieces and re.search(r"(^|\W)[aA] $", pieces[-1]):
                pieces[-1] = pieces[-1][:-1] + "n "
                length += 1
            if text:
                pieces.append(text)
                length += len(text)

        def walk(nodes: tuple[_Node, ...]) -> None:
            for node in nodes:
                if isinstance(node, str):
                    add(node)
                elif isinstance(node, _Slot):
                    value = subject.get(node.name)
                    if value is None:
                        value = self.words[node.name]()
                    add(value)
                    span = (length - len(value), length)
                    spans.setdefault(node.name, span)
                    if node.name in _KINDS:
                        mentions.append(Mention(_KINDS[node.name], *span))
                else:
                    walk(self.random.choice(node))

        if subject:
            later = self._later(subject)
            subject = {"later": later, "century": _ordinal(int(later) // 100 + 1), **subject}
        walk(_parse(shape))
        text = "".join(pieces)
        return _Text(text[:1].upper() + text[1:], spans, tuple(mentions))

    # Subjects

    def _subject(self) -> _Subject:
        """Values for one invention, company, structure or discovery, and for the person behind it."""
        source = self.random
        first, last = self._first_name(), self._last_name()
        year = self._year(1500, 2010)
        age = source.randint(19, 60)
        birth = self._year(int(year) - age, int(year) - age)
        he = source.random() < 0.6
        thing = self._invention()
        return {
            "person": self._full_name(first, last),
            "last": last,
            "he": "he" if he else "she",
            "his": "his" if he else "her",
            "year": year,
            "birth": birth,
            "death": self._year(int(year) + 1, int(year) + 30),
            "age": str(age),
            "place": self._place(),
            "home": self._place(),
            "grave": self._place(),
            "thing": thing,
            "thing_p": _plural(thing),
            "mod": source.choice(_MODIFIERS) + " " if source.random() < 0.4 else "",
            "brand": self._brand(last),
            "firm": self._company(),
            "its": source.choice(("its", "their")),
            "structure": self._structure(),
            "found": self._found(),
        }

    def _invention(self) -> str:
        """The name of an invention that this passage has not spoken of yet."""
        while (thing := self._draw(self._any_invention)) in self.things:
            pass
        self.things.add(thing)
        return thing

    def _any_invention(self) -> str:
        source = self.random
        kind = source.random()
        if kind < 0.45:
            return source.choice(_INVENTIONS).replace("-", " ")
        if kind < 0.75:
            return f"{source.choice(_ATTRIBUTES)} {source.choice(_HEADS)}"
        return self._pseudo_word()

    def _brand(self, last: str) -> str:
        source = self.random
        head = source.choice(_HEADS).capitalize()
        name = self._name(1, 2)
        return source.choice(
            (f"{last} {head}", f"{last} {name}-{head}", f"{name}-{head}", f"{last} {name.lower()}", f"{name} {head}")
        )

    def _model(self) -> str:
        source = self.random
        return source.choice(
            (
                f"Type {source.randint(1, 60)}",
                f"Series {source.choice('ABCDEFGH')}",
                f"Mark {source.choice(('I', 'II', 'III', 'IV', 'V'))}",
                f"{self._name(1, 3)} {source.choice('ABCDEFGHKLMNPRSTVWXZ')}",
                f"{self._name(1, 3)} {source.randint(1, 99)}",
                self._name(2, 3),
            )
        )

    def _company(self) -> str:
        source = self.random
        name = self._last_name()
        kind = source.choice(("Company", "Works", "Corporation", "Factory", "Brothers", "Group", "Society"))
        head = source.choice(_HEADS).capitalize()
        return source.choice(
            (f"the {name} {kind}", f"the {name} {head} {kind}", f"{name} & Sons", f"{name} {head}s", f"{name} {kind}")
        )

    def _structure(self) -> str:
        kinds = ("Bridge", "Tower", "Theatre", "Canal", "Palace", "Station", "Library", "Hall", "Dam", "Gate", "Museum")
        return f"{self._last_name()} {self.random.choice(kinds)}"

    def _found(self) -> str:
        source = self.random
        name = self._name(1, 3)
        return source.choice(
            (
                f"the {source.choice(('element', 'metal', 'gas', 'mineral'))} {name.lower()}ium",
                f"the {source.choice(('planet', 'comet', 'moon', 'star', 'island'))} {name}",
                f"the {name} {source.choice(('effect', 'comet', 'cave', 'fossil', 'virus', 'ray'))}",
                f"{name.lower()}{source.choice(('in', 'ol', 'ine', 'ite', 'ase'))}",
            )
        )

    # Words and names

    def _draw(self, make: Callable[[], str]) -> str:
        """The first word made that belongs to this writer's part and is not reserved."""
        while True:
            word = make()
            if is_held_out(word) == self.held_out and not RESERVED_NAMES.search(word.casefold()):
                return word

    def _syllables(self, fewest: int, most: int) -> str:
        """A made-up word of so many syllables and at least three letters."""
        source = self.random
        count = source.randint(fewest, most)
        word = "" if source.random() < 0.15 else source.choice(_ONSETS)
        for left in range(count, 0, -1):
            word += source.choice(_VOWELS)
            if left > 1:
                word += source.choice(_CODAS) if source.random() < 0.3 else ""
                word += source.choice(_ONSETS)
            elif count == 1 or source.random() < 0.6:
                word += source.choice(_CODAS)
        return word if len(word) > 2 else word + source.choice(_CODAS)

    def _name(self, fewest: int, most: int) -> str:
        return self._draw(lambda: self._syllables(fewest, most).capitalize())

    def _pseudo_word(self) -> str:
        return self._draw(lambda: self._syllables(1, 3))

    def _word(self, words: tuple[str, ...]) -> str:
        """One of the words, or now and then one that nobody has seen before."""
        return self._pseudo_word() if self.random.random() < 0.1 else self.random.choice(words)

    def _first_name(self) -> str:
        return self._name(1, 2)

    def _last_name(self) -> str:
        name = self._name(1, 2)
        ending = self.random.choice(("", "", "", "", "", "er", "son", "mann", "sen", "ski", "ini", "ov", "ard"))
        return self._draw(lambda: name + ending) if is_held_out(name + ending) == self.held_out else name

    def _full_name(self, first: str, last: str) -> str:
        source = self.random
        kind = source.random()
        if kind < 0.06:
            return f"{first} {source.choice('ABCDEFGHJKLMNPRSTVW')}. {last}"
        if kind < 0.12:
            return f"{first} {source.choice(('van', 'von', 'de', 'di', 'van der', 'af'))} {last}"
        if kind < 0.17:
            return f"{first}-{self._name(1, 1)} {last}"
        if kind < 0.22:
            return f"{first} {self._name(1, 1)} {last}"
        return f"{first} {last}"

    def _person(self) -> str:
        return self._full_name(self._first_name(), self._last_name())

    def _town(self) -> str:
        return self._name(1, 2) + self.random.choice(_CITY_ENDINGS)

    def _place(self) -> str:
        return self.random.choice(_COUNTRIES)[0] if self.random.random() < 0.12 else self._town()

    def _nationality(self) -> str:
        source = self.random
        if source.random() < 0.8:
            return source.choice(_COUNTRIES)[1]
        return self._name(1, 2) + source.choice(("ian", "ish", "ese", "ic", "an"))

    def _quantity(self) -> str:
        source = self.random
        return source.choice(
            (
                f"{source.randint(2, 900)}",
                f"{source.randint(1, 90)},{source.randint(0, 9)}00",
                f"{source.choice(('two', 'three', 'five', 'ten', 'twenty'))} {source.choice(('thousand', 'million'))}",
            )
        )

    def _year(self, earliest: int, latest: int) -> str:
        """A year, the 18th to 20th centuries being the likeliest; never a reserved one."""
        source = self.random
        while True:
            year = source.randint(max(earliest, 1740), latest) if source.random() < 0.8 and latest > 1740 else 0
            year = year or source.randint(earliest, latest)
            if year not in RESERVED_YEARS:
                return str(year)
            earliest, latest = earliest - 1, latest + 1

    def _later(self, subject: _Subject) -> str:
        year = int(subject["year"])
        return self._year(year + 2, max(year + 3, min(year + 90, 2020)))
