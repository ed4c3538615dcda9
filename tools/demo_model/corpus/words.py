"""Pools of names, places, things and numbers that fill the sentences of the corpus. Half of the proper names are made of syllables,
so that no list of them can be learnt by heart and a model has to copy what it reads."""

CITIES = """Oslo Bergen Paris Lyon Madrid Rome Milan Vienna Berlin Hamburg Munich Prague Warsaw Krakow Dublin London Leeds Porto Lisbon Athens
Istanbul Ankara Cairo Lagos Nairobi Accra Dakar Tunis Delhi Mumbai Pune Dhaka Karachi Lahore Kabul Tashkent Almaty Tokyo Osaka Kyoto Seoul
Busan Taipei Hanoi Bangkok Jakarta Manila Sydney Perth Auckland Denver Boston Chicago Seattle Dallas Austin Toronto Montreal Quebec Havana
Lima Bogota Quito Santiago Recife Cordoba Geneva Zurich Basel Turin Naples Seville Bilbao Ghent Antwerp Utrecht Malmo Uppsala Turku Riga
Vilnius Tallinn Minsk Kyiv Odessa Sofia Varna Zagreb Split Reykjavik Galway Cork Glasgow Dundee Bristol York Oxford""".split()

FIRST_NAMES = """Anna Ben Clara David Elena Farid Grace Hugo Ines Jonas Karin Leo Mara Nadia Omar Paula Quinn Rosa Samir Tara Ugo Vera Walid
Xenia Yusuf Zoe Amara Bruno Chloe Diego Edith Felix Greta Hana Ivan Julia Kofi Lena Marco Nora Oskar Petra Ravi Sofia Tomas Uma Viktor Wanda
Yara Zeno Aisha Boris Celia Dario Emil Freya Goran Hilda Igor Jana""".split()

ONSETS = "b c d f g h j k l m n p r s t v w z br dr fr gr kl pr st tr sh th".split()
VOWELS = "a e i o u ai ea ou".split()
CODAS = ["", "", "n", "r", "l", "s", "m", "nd", "rk", "st", "x", "th"]

COLOURS = "red blue green black white grey yellow orange purple brown silver golden".split()
MATERIALS = "steel wooden ceramic cotton plastic leather glass paper copper woollen rubber bamboo".split()
THINGS = """mug lamp chair desk pen notebook kettle blanket basket clock mirror bottle jacket scarf helmet wrench hammer screw cable battery
keyboard mouse monitor charger backpack umbrella pillow towel plate bowl spoon candle vase rope ladder bucket brush drill saw bolt""".split()
TOPICS = """budget roadmap hiring security onboarding migration release testing design marketing training planning backup deployment survey
insurance travel catering recycling heating""".split()
EVENTS = """meeting review lunch call workshop interview demo dinner appointment lecture rehearsal checkup standup retrospective seminar
party picnic inspection""".split()
TASKS = """water the plants|call the dentist|pay the rent|send the invoice|buy milk|feed the cat|book the train|renew the passport|clean the
filter|check the oven|pick up the parcel|sign the contract|charge the car|return the library books|take out the bins|update the server|
write the report|order new tyres|test the alarm|back up the laptop""".replace("\n", " ").split("|")
TASKS = [" ".join(task.split()) for task in TASKS]
FOLDERS = "src docs tests logs data config scripts reports photos music backup build assets notes exports".split()
EXTENSIONS = "txt md py log csv json cc h yaml html".split()
ROOMS = ["kitchen", "bedroom", "office", "hallway", "garage", "bathroom", "living room", "attic", "cellar", "garden"]
CONDITIONS = ["sunny", "cloudy", "rainy", "windy", "foggy", "snowy", "stormy", "clear", "overcast", "misty"]
MONTHS = "January February March April May June July August September October November December".split()
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
CURRENCIES = "USD EUR GBP JPY CHF SEK NOK CAD AUD INR BRL PLN".split()
LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"


def syllables(rng, count):
    return "".join(rng.choice(ONSETS) + rng.choice(VOWELS) for _ in range(count - 1)) + \
        rng.choice(ONSETS) + rng.choice(VOWELS) + rng.choice(CODAS)


def made_name(rng):
    return syllables(rng, rng.choice([1, 2, 2, 2, 3])).capitalize()


def made_word(rng):
    return syllables(rng, rng.choice([1, 2, 2]))


def city(rng):
    return rng.choice(CITIES) if rng.random() < 0.5 else made_name(rng)


def first_name(rng):
    return rng.choice(FIRST_NAMES) if rng.random() < 0.5 else made_name(rng)


def full_name(rng):
    return f"{first_name(rng)} {made_name(rng)}"


def item(rng):
    return " ".join([rng.choice(rng.choice([COLOURS, MATERIALS])), rng.choice(THINGS)])


def key(rng):
    return rng.choice(["_".join([made_word(rng), rng.choice(THINGS)]), "_".join([rng.choice(TOPICS), rng.choice(THINGS)]),
                       rng.choice(TOPICS), made_word(rng)])


def code(rng):
    return "".join(rng.choice(LETTERS) for _ in range(rng.randint(2, 3))) + rng.choice(["-", ""]) + \
        "".join(str(rng.randint(0, 9)) for _ in range(rng.randint(3, 5)))


def file_name(rng):
    stem = rng.choice([made_word(rng), rng.choice(TOPICS), rng.choice(THINGS)])
    tail = rng.choice(["", "", f"_{rng.randint(1, 99)}", f"-{rng.choice(TOPICS)}"])
    return f"{stem}{tail}.{rng.choice(EXTENSIONS)}"


def path(rng):
    return "/".join([rng.choice(FOLDERS), *([rng.choice(FOLDERS)] if rng.random() < 0.3 else []), file_name(rng)])


def date(rng):
    return f"{rng.randint(2024, 2029)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}"


def time(rng):
    return f"{rng.randint(6, 22):02d}:{rng.choice([0, 10, 15, 20, 30, 40, 45, 50]):02d}"


def email(rng):
    return f"{made_word(rng)}@{made_word(rng)}.{rng.choice(['org', 'com', 'net', 'example'])}"


def amount(rng):
    return rng.choice([rng.randint(1, 99), rng.randint(100, 999), rng.randint(1000, 9999)])


def price(rng):
    return round(rng.uniform(1, 400), 2)


def expression(rng):
    numbers = [rng.choice([rng.randint(2, 99), rng.randint(100, 9999)]) for _ in range(rng.choice([2, 2, 3]))]
    text = str(numbers[0])
    for number in numbers[1:]:
        text += f" {rng.choice('+-*')} {number}"
    return text


def command(rng):
    return rng.choice([
        f"ls {rng.choice(FOLDERS)}", f"cat {path(rng)}", f"wc -l {path(rng)}", f"grep -n {made_word(rng)} {path(rng)}",
        f"head -n {rng.randint(1, 50)} {path(rng)}", f"rm {path(rng)}", f"mkdir {rng.choice(FOLDERS)}/{made_word(rng)}",
        "git status", "df -h", "uptime", f"python3 {rng.choice(FOLDERS)}/{made_word(rng)}.py",
        f"git checkout {made_word(rng)}"])


def sentence(rng):
    """A short plain sentence, for notes, messages and file contents."""
    return rng.choice([
        lambda: f"The {item(rng)} is in the {rng.choice(ROOMS)}.",
        lambda: f"{first_name(rng)} will bring the {item(rng)} on {rng.choice(DAYS)}.",
        lambda: f"The {rng.choice(TOPICS)} {rng.choice(EVENTS)} moved to {time(rng)}.",
        lambda: f"Please {rng.choice(TASKS)} before {rng.choice(DAYS)}.",
        lambda: f"The code of the {rng.choice(ROOMS)} is {rng.randint(1000, 9999)}.",
        lambda: f"{full_name(rng)} lives in {city(rng)}.",
        lambda: f"We sold {rng.randint(2, 400)} {rng.choice(THINGS)}s in {rng.choice(MONTHS)}.",
        lambda: f"The train to {city(rng)} leaves at {time(rng)}."])()
