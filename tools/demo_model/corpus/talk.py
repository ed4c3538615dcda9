"""Turns without tools: small talk, questions about Coterie, reading, copying, lists, comparisons, stories, JSON answers."""

import json

from corpus import words as w
from corpus.tasks import listed

COTERIE = (
    ("What is Coterie?|Tell me about Coterie.|Explain Coterie.|What does Coterie do?",
     "Coterie serves Gemma 4 26B-A4B from many machines at once, to many agents."),
    ("What is a router?|What does the router do?|Explain the router.",
     "The router takes a request to its last token. It runs the trunk of the model and sends rows to the experts."),
    ("What is an expert worker?|What does an expert_worker do?|Explain the expert workers.",
     "An expert worker holds some of the experts and answers batches of rows. It knows nothing about requests."),
    ("What is the KV store?|What does the kv_store do?|Explain the kv_store.",
     "The KV store keeps blocks of keys and values by their content, so that contexts outlive routers."),
    ("How does Coterie scale?|What does the autoscaler do?|Explain the autoscaler.",
     "The autoscaler reads Prometheus and says how many routers, workers and stores there should be."),
    ("What is a mixture of experts?|Explain MoE.|What does MoE mean?",
     "In a mixture of experts each token visits only a few of many small networks, chosen by a gate."),
    ("What is the gate?|What does the gate do?|How are experts chosen?",
     "The gate scores every expert for a token and picks the best few."),
    ("What is a token?|Explain tokens.", "A token is a piece of text, often a word or a part of one, that the model reads or writes at once."),
    ("What is prefill?|Explain prefill.", "Prefill reads the whole prompt in large pieces before the first token is written."),
    ("What is decoding?|What does decode mean?", "Decoding writes the answer, one token after the other."),
    ("Are the answers exact?|Does the number of workers change the answer?",
     "On CPU the tokens are the same bit for bit, whatever the batch, the chunks and the number of workers."),
    ("What happens when a worker dies?|What if an expert_worker is killed?",
     "Its rows go to another copy of the expert, and no request fails."),
    ("Who are you?|What are you?|What model are you?|Introduce yourself.",
     "I am the small demo model of Coterie, built like Gemma 4 but far smaller."),
    ("How large are you?|How many parameters do you have?", "I have about eleven million parameters, in twelve layers of sixteen experts."),
    ("What can you do?|How can you help me?|What are you good at?",
     "I can call tools, use their results, fill in JSON and talk a little. I know little about the world."),
)

SMALL_TALK = (
    ("Hi|Hello|Hey|Hi there|Good morning|Good evening|Hello!", ("Hello! How can I help you?", "Hello. What can I do for you?", "Hi! What do you need?")),
    ("Thanks|Thank you!|Thanks a lot.|Great, thanks.|Perfect, thank you.", ("You are welcome.", "Gladly.", "You are welcome. Anything else?")),
    ("Bye|Goodbye!|See you.|That is all.", ("Goodbye!", "See you soon.", "Goodbye, and good luck.")),
    ("How are you?|How is it going?", ("I am well, thank you. How can I help you?", "Fine, thank you. What do you need?")),
    ("Are you there?|Hello?|Can you hear me?", ("Yes, I am here.", "I am here. What can I do?")),
    ("That is wrong.|I do not like that.|No.", ("I am sorry. What should I do instead?", "Sorry about that. Please tell me more.")),
    ("Tell me a joke.|Make me laugh.", ("Why did the token cross the network? To get to the other expert.",
                                       "A router walks into a bar and asks eight experts what to drink.")),
)

CAPITALS = """Norway Oslo|France Paris|Spain Madrid|Italy Rome|Austria Vienna|Germany Berlin|Poland Warsaw|Ireland Dublin|Portugal Lisbon|Greece Athens|
Turkey Ankara|Egypt Cairo|Kenya Nairobi|Ghana Accra|Senegal Dakar|Japan Tokyo|Vietnam Hanoi|Thailand Bangkok|Cuba Havana|Peru Lima|Ecuador Quito|
Latvia Riga|Estonia Tallinn|Lithuania Vilnius|Ukraine Kyiv|Bulgaria Sofia|Croatia Zagreb|Iceland Reykjavik|Belgium Brussels|Denmark Copenhagen|
Sweden Stockholm|Finland Helsinki|Hungary Budapest|Canada Ottawa|Australia Canberra|Chile Santiago""".replace("\n", "").split("|")
OPPOSITES = """hot cold|big small|fast slow|old new|light dark|open closed|early late|full empty|hard soft|high low|long short|rich poor|strong weak|
wet dry|loud quiet|near far|first last|thick thin|up down|left right|clean dirty|cheap expensive|easy difficult|true false""".replace("\n", "").split("|")


def cased(rng, text):
    """As people type: sometimes without capital or full stop."""
    if rng.random() < 0.15:
        text = text[0].lower() + text[1:]
    return text.rstrip(".?!") if rng.random() < 0.1 else text


def small_talk(rng):
    asks, answers = rng.choice(SMALL_TALK)
    return cased(rng, rng.choice(asks.split("|"))), rng.choice(answers)


def about_coterie(rng):
    asks, answer = rng.choice(COTERIE)
    return cased(rng, rng.choice(asks.split("|"))), answer


def copying(rng):
    text = rng.choice([w.sentence, w.full_name, w.code, w.path, w.email, w.key])(rng)
    return rng.choice(["Repeat after me: {}", "Say exactly this: {}", "Copy this text: {}", "Write {}"]).format(text), text


def bullets(rng):
    items = [rng.choice([w.item, w.city, w.first_name, w.file_name])(rng) for _ in range(rng.randint(2, 5))]
    ask = rng.choice(["Make a list of {}.", "Write {} as a list.", "List these: {}"]).format(listed(items))
    return ask, "\n".join(f"- {item}" for item in items)


def comparison(rng):
    a, b = rng.sample(range(1, 1000), 2)
    if rng.random() < 0.5:
        return rng.choice(["Which is larger, {} or {}?", "What is more: {} or {}?"]).format(a, b), f"{max(a, b)} is larger."
    return rng.choice(["Which is smaller, {} or {}?", "What is less: {} or {}?"]).format(a, b), f"{min(a, b)} is smaller."


def knowledge(rng):
    kind = rng.randrange(3)
    if kind == 0:
        country, capital = rng.choice(CAPITALS).split(" ")
        return rng.choice(["What is the capital of {}?", "Which city is the capital of {}?", "capital of {}?"]).format(country), \
            f"The capital of {country} is {capital}."
    if kind == 1:
        pair = rng.choice(OPPOSITES).split(" ")
        rng.shuffle(pair)
        return rng.choice(["What is the opposite of {}?", "Tell me the opposite of {}."]).format(pair[0]), f"The opposite of {pair[0]} is {pair[1]}."
    names = rng.choice([w.DAYS, w.MONTHS])
    at = rng.randrange(len(names))
    return rng.choice(["What comes after {}?", "Which one follows {}?"]).format(names[at]), f"After {names[at]} comes {names[(at + 1) % len(names)]}."


def _fact(rng):
    """A sentence, a question about it, and its answer."""
    item, name, place, number, time = w.item(rng), w.first_name(rng), w.city(rng), rng.randint(2, 999), w.time(rng)
    room, event = rng.choice(w.ROOMS), f"{rng.choice(w.TOPICS)} {rng.choice(w.EVENTS)}"
    return rng.choice([
        (f"The {item} is in the {room}.", f"Where is the {item}?", f"The {item} is in the {room}.", room),
        (f"{name} lives in {place}.", f"Where does {name} live?", f"{name} lives in {place}.", place),
        (f"The {event} starts at {time}.", f"When does the {event} start?", f"The {event} starts at {time}.", time),
        (f"We have {number} of the {item}.", f"How many of the {item} are there?", f"There are {number} of the {item}.", str(number)),
        (f"{name} owns the {item}.", f"Who owns the {item}?", f"{name} owns the {item}.", name),
        (f"The train to {place} leaves at {time}.", f"When does the train to {place} leave?", f"The train to {place} leaves at {time}.", time)])


def reading(rng):
    facts = [_fact(rng) for _ in range(rng.randint(2, 6))]
    _, question, answer, key = rng.choice(facts)
    text = " ".join(fact[0] for fact in facts)
    return rng.choice(["{t} {q}", "{q}\n\n{t}", "Read this: {t}\n{q}", "Here are my notes. {t} Now tell me: {q}"]).format(t=text, q=question), answer, key


def story(rng):
    hero, friend, item, place = w.first_name(rng), w.first_name(rng), w.item(rng), w.city(rng)
    ask = rng.choice(["Tell me a short story about {h} and a {i}.", "Write a story with {h} in it and a {i}.", "A story about {h} and the {i}, please."])
    lines = [rng.choice([f"{hero} lived in {place} and wanted nothing so much as a {item}.", f"One {rng.choice(w.DAYS)} in {place}, {hero} found a {item}.",
                         f"{hero} had a {item} that nobody in {place} had ever seen."]),
             rng.choice([f"It was old, but it still worked.", f"{friend} laughed at it, and {hero} said nothing.", f"{friend} asked whether it was for sale.",
                         f"Every evening {hero} put it in the {rng.choice(w.ROOMS)}."]),
             rng.choice([f"Then the rain came, and the {item} was the only thing that helped.", f"In {rng.choice(w.MONTHS)} it was gone.",
                         f"So {hero} gave it to {friend}.", f"In the end {hero} and {friend} shared it."]),
             rng.choice([f"Since then {hero} sleeps well.", f"People in {place} still talk about it.", f"And that is why {friend} smiles.",
                         "Nobody asked where it had come from."])]
    return ask.format(h=hero, i=item), " ".join(lines)


# Field of a JSON answer: name -> (schema, value, the clause that says it).
def _fields(rng):
    age, city, mail, count, price = rng.randint(18, 90), w.city(rng), w.email(rng), rng.randint(1, 60), w.price(rng)
    colour, date, member, items = rng.choice(w.COLOURS[:6]), w.date(rng), rng.random() < 0.5, [w.item(rng) for _ in range(rng.randint(1, 3))]
    level, order, event = rng.choice(["low", "medium", "high"]), w.code(rng), rng.choice(w.EVENTS)
    return {
        "age": ({"type": "integer"}, age, rng.choice([f"is {age} years old", f"is {age}"])),
        "city": ({"type": "string"}, city, rng.choice([f"lives in {city}", f"comes from {city}"])),
        "email": ({"type": "string"}, mail, rng.choice([f"writes from {mail}", f"has the address {mail}"])),
        "count": ({"type": "integer"}, count, rng.choice([f"bought {count} pieces", f"needs {count} pieces"])),
        "price": ({"type": "number"}, price, rng.choice([f"paid {price}", f"offers {price}"])),
        "colour": ({"type": "string", "enum": w.COLOURS[:6]}, colour, rng.choice([f"likes {colour}", f"chose {colour}"])),
        "date": ({"type": "string"}, date, rng.choice([f"called on {date}", f"arrives on {date}"])),
        "member": ({"type": "boolean"}, member, "is a member" if member else "is not a member"),
        "items": ({"type": "array", "items": {"type": "string"}}, items, f"ordered {listed(items)}"),
        "priority": ({"type": "string", "enum": ["low", "medium", "high"]}, level, f"has {level} priority"),
        "order_id": ({"type": "string"}, order, rng.choice([f"has order {order}", f"asks about {order}"])),
        "event": ({"type": "string"}, event, f"wants a {event}"),
    }


def json_answer(rng):
    """System text with a schema, user text, the object that answers."""
    name = w.full_name(rng)
    fields = _fields(rng)
    chosen = rng.sample(sorted(fields), rng.randint(1, 4))
    clauses = [fields[key][2] for key in chosen]
    rng.shuffle(chosen)
    name_key = rng.choice(["name", "person", "customer"])
    properties = {name_key: {"type": "string"}, **{key: fields[key][0] for key in chosen}}
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    system = rng.choice(["Answer only with JSON that fits this schema: ", "Reply with JSON. Schema: ", "Extract the data as JSON after this schema: ",
                         "Your answer is one JSON object. The schema: "]) + json.dumps(schema, separators=(",", ":"))
    user = rng.choice([f"{name} {listed(clauses)}.", f"This is about {name}: {listed(clauses)}.", f"{name} {'. The person '.join(clauses)}."])
    return system, user, {name_key: name, **{key: fields[key][1] for key in chosen}}
