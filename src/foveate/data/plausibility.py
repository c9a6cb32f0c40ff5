"""How likely is a text, as text of some language? It tells right readings of bytes from wrong ones.

Every letter has a probability by its rank in the language (the ranks are those of
charset-normalizer). Wrong readings have letters of languages that do not go together, rare
ideographs, signs within words. Knows no files and no encodings.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from functools import cache, lru_cache
from itertools import pairwise

import numpy as np

# Letters beyond ASCII of each language, also those that its texts hardly have.
MARKED = {
    "German": "äöüß",
    "French": "éèêëàâçîïôùûüœæ",
    "Dutch": "éëïóöü",
    "Italian": "àèéìòù",
    "Spanish": "áéíóúñü",
    "Portuguese": "áâãàçéêíóôõú",
    "Swedish": "åäöé",
    "Norwegian": "åæøéò",
    "Danish": "åæøé",
    "Icelandic": "áðéíóúýþæö",
    "Finnish": "äöå",
    "Estonian": "äöõüšž",
    "Polish": "ąćęłńóśźż",
    "Czech": "áčďéěíňóřšťúůýž",
    "Slovak": "áäčďéíĺľňóôŕšťúýž",
    "Hungarian": "áéíóöőúüű",
    "Slovene": "čšž",
    "Croatian": "čćđšž",
    "Romanian": "ăâîșțşţ",
    "Turkish": "çğıöşüâîi̇",
    "Lithuanian": "ąčęėįšųūž",
    "Latvian": "āčēģīķļņšūž",
    "Russian": "абвгдеёжзийклмнопрстуфхцчшщъыьэюя",
    "Ukrainian": "абвгґдеєжзиіїйклмнопрстуфхцчшщьюя",
    "Bulgarian": "абвгдежзийклмнопрстуфхцчшщъьюя",
    "Serbian": "абвгдђежзијклљмнњопрстћуфхцчџш",
    "Greek": "αβγδεζηθικλμνξοπρσςτυφχψωάέήίόύώϊϋΐΰ",
    "Hebrew": "אבגדהוזחטיכלמנסעפצקרשתךםןףץ",
    "Arabic": "ءآأؤإئابةتثجحخدذرزسشصضطظعغفقكلمنهوىي",
    "Farsi": "ءآئابپتثجچحخدذرزژسشصضطظعغفقکگلمنوهیيك",
    "Thai": "กขคฆงจฉชซญฎฏฐฑฒณดตถทธนบปผฝพฟภมยรลวศษสหฬอฮะัาำิีึืุูเแโใไๅๆ็่้๊๋์",
}
RELATED = {"Icelandic": "Danish", "Latvian": "Lithuanian"}  # that have no ranks of their own
SELDOM, RARE, FOREIGN = -5.5, -7.0, -11.0  # letters of the alphabet without ranks; of no such one
ODD = -9.0  # a sign that texts hardly have
COMMON_SIGNS = frozenset("¿¡«»„“”‚‘’–—…°§€£©®·\xa0½¼¾²、。「」・ー，！？：；（）　؟،")
SIGN = -4.5
SECOND = 4.0  # nats that a second language has to gain
BROKEN = -7.0  # two scripts in a word, a capital within it
MARK = math.log(0.1)  # the share of letters with marks in Latin texts
INITIALS = "ᄋᄀᄉᄌᄃᄅᄒᄂᄆᄇᄎᄐᄑᄏᄁᄄᄊᄍᄈ"  # of Korean syllables, commonest first
VOWELS = "ᅡᅵᅳᅩᅥᅮᅧᅢᅦᅴᅪᅭᅱᅣᅲᅬᅯᅨᅫᅰᅤ"
FINALS = "\0ᆫᆯᆼᆨᆷᆸᆺᆻᆭᆹᆮᇂᇁᆾᆽᆩᆶᆲᆰᆬᆱᆿᇀ"
UNWRITTEN = -16.0  # an ideograph that no common set has


def judge_texts(texts: Sequence[str]) -> float:
    """Return the log-probability of texts in the one or two languages that fit them best.

    Example:
        >>> judge_texts(["größe"]) > judge_texts(["gr÷ße"])
        True
    """
    usual = sum(sum(map(_judge_sign, text)) for text in texts)
    usual += BROKEN * sum(_count_breaks(word) for text in texts for word in text.split())
    folded = [[letter.lower() if letter != "İ" else "i" for letter in text] for text in texts]
    found = np.array([[_judge(letters, name) for letters in folded] for name in MARKED])
    first = found[found.sum(axis=1).argmax()]
    with_second = np.maximum(first, found).sum(axis=1).max() - SECOND  # of source and target
    return usual + max(float(first.sum()), float(with_second))


def _judge(letters: Sequence[str], language: str) -> float:
    return sum(_judge_letter(letter, language) for letter in letters)


def _judge_sign(letter: str) -> float:
    """Return the log-probability of what is no letter of an alphabet; 0 for one."""
    if letter.isascii() or letter.isalpha() or unicodedata.category(letter) == "Mn":
        return 0.0
    return SIGN if letter in COMMON_SIGNS else ODD


def _count_breaks(word: str) -> int:
    """Count the places at which letters of a word do not go together."""
    letters = [letter for letter in word if letter.isalpha()]
    count = sum(_script(a) != _script(b) for a, b in pairwise(letters))
    count += sum(a.islower() and b.isupper() for a, b in pairwise(letters))
    inside = word.strip("".join(COMMON_SIGNS))
    count += sum(not one.isascii() and not _is_letter(one) for one in inside)
    is_loud = len(letters) > 2 and letters[0].islower() != letters[-1].islower()
    return count + (is_loud and letters[0].islower())


def _is_letter(letter: str) -> bool:
    return letter.isalpha() or unicodedata.category(letter)[0] == "M"


@lru_cache(maxsize=4096)
def _script(letter: str) -> str:
    if _is_ideographic(letter):
        return "CJK"
    return unicodedata.name(letter, "").partition(" ")[0]


def _is_ideographic(letter: str) -> bool:
    return "\u3040" <= letter <= "\u9fff" or "\uac00" <= letter <= "\ud7af"


@lru_cache(maxsize=2**15)
def _judge_letter(letter: str, language: str) -> float:
    """Return the log-probability of a letter, in lower case, in a language."""
    if not (letter.isalpha() or unicodedata.category(letter) == "Mn"):
        return 0.0
    if _is_ideographic(letter):
        return _judge_ideograph(letter)
    ranks = _ranks(language)
    is_latin = "a" in ranks
    if letter in ranks:
        return ranks[letter] + (MARK if is_latin and not letter.isascii() else 0.0)
    if letter in MARKED[language]:
        return RARE if is_latin else SELDOM
    return RARE if letter.isascii() else FOREIGN


@cache
def _ranks(language: str) -> dict[str, float]:
    """Return the log-probabilities of the letters of a language: 1 / (rank + 2), normalised."""
    from charset_normalizer.constant import FREQUENCIES

    letters = FREQUENCIES[RELATED.get(language, language)]
    own = [one for one in letters if one.isascii() or one in MARKED[language]]
    if language in RELATED:
        own = [one for one in own if one.isascii()] + list(MARKED[language])
    total = sum(1 / (rank + 2) for rank in range(len(own)))
    return {letter: -math.log((rank + 2) * total) for rank, letter in enumerate(own)}


def _judge_ideograph(letter: str) -> float:
    """Return the log-probability of a letter of Chinese, Japanese or Korean."""
    if letter >= "\uac00":
        return _judge_syllable(letter)
    found = _common_letters().get(letter)
    if found is not None:
        return found
    if letter < "\u3400":  # other kana
        return RARE
    level = min(map(_find_level, (letter,) * 3, ("gb2312", "big5", "euc_jp")))
    return (-9.0, -12.5, UNWRITTEN)[level]


@cache
def _common_letters() -> dict[str, float]:
    """Return the log-probabilities of kana and of the commonest ideographs."""
    from charset_normalizer.constant import COMMON_CHINESE_CHARACTERS, FREQUENCIES

    found = dict.fromkeys(COMMON_CHINESE_CHARACTERS, -7.5)
    for name in ("Japanese", "Chinese", "Japanese—", "Japanese——"):
        is_kana = name.startswith("Japanese—")
        for rank, letter in enumerate(FREQUENCIES[name]):
            found[letter] = -math.log(rank + 3) - (2.0 if is_kana else 3.0)
    return found


def _find_level(letter: str, encoding: str) -> int:
    """Return 0 for the common part of a set of ideographs, 1 for its rest, 2 for others."""
    try:
        lead = letter.encode(encoding)[0]
    except UnicodeEncodeError:
        return 2
    first, last = {"gb2312": (0xB0, 0xD7), "big5": (0xA4, 0xC6), "euc_jp": (0xB0, 0xCF)}[encoding]
    return 0 if first <= lead <= last else 1


def _judge_syllable(letter: str) -> float:
    parts = unicodedata.normalize("NFD", letter)
    initial, vowel, final = (*parts, "\0")[:3]
    unusual = 0.0 if len(letter.encode("euc_kr", "ignore")) == 2 else -6.0
    places = zip((initial, vowel, final), (INITIALS, VOWELS, FINALS), strict=True)
    return unusual + sum(-math.log((order.find(one) % 30) + 1.5) - 0.6 for one, order in places)
