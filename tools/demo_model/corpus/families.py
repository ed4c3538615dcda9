"""The tools of the corpus: for each family the names it goes by, how people ask for it, what it returns and how one answers with that.

Names of a tool and of its parameters differ from dialogue to dialogue, so they have to be read from the declaration.
Sentences are templates over two dictionaries: the arguments by role, and the fields of the result (`r_` before their names).
"""

import ast
import dataclasses
import operator

from corpus import words as w


@dataclasses.dataclass(frozen=True)
class Parameter:
    role: str                # how templates call it
    names: tuple             # what it may be called in a declaration
    kind: str                # JSON schema type
    descriptions: tuple
    enum: tuple = ()
    required: bool = True


@dataclasses.dataclass(frozen=True)
class Family:
    key: str
    names: tuple
    descriptions: tuple
    purpose: str             # "look up the weather": what it is for, in thoughts and refusals
    parameters: tuple
    arguments: object        # rng -> {role: value}; a role that is left out is not passed
    result: object           # rng, arguments -> {field: value} or text
    asks: tuple
    answers: tuple
    follow_ups: tuple = ()   # shorter questions after the first; `fresh` roles get new values, the others stay
    fresh: tuple = ()
    missing: tuple = ()      # (what a user says who leaves something out, what to ask back)


def P(role, names, kind, descriptions, enum=(), required=True):
    return Parameter(role, tuple(names.split("|")), kind, tuple(descriptions.split("|")), tuple(enum), required)


OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv, ast.USub: operator.neg}


def calculate(expression):
    """Value of an expression of numbers with + - * / and brackets; ValueError for anything else."""
    def value(node):
        if isinstance(node, ast.Constant) and type(node.value) in (int, float):
            return node.value
        if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
            return OPERATORS[type(node.op)](value(node.left), value(node.right))
        if isinstance(node, ast.UnaryOp) and type(node.op) in OPERATORS:
            return OPERATORS[type(node.op)](value(node.operand))
        raise ValueError(f"{expression!r} is no arithmetic expression")
    try:
        return value(ast.parse(expression.strip(), mode="eval").body)
    except (SyntaxError, RecursionError, MemoryError, ZeroDivisionError, OverflowError) as error:
        raise ValueError(str(error)) from error


CITY = P("city", "city|location|place|town", "string", "Name of the city|The city|City name")
DATE = P("date", "date|day|on", "string", "Date as YYYY-MM-DD|The day, YYYY-MM-DD")

FAMILIES = (
    Family(
        "weather", ("get_weather", "weather", "current_weather", "weather_lookup", "fetch_forecast"),
        ("Current weather of a city.", "Looks up the weather for a place.", "Returns temperature and condition."),
        "look up the weather", (CITY,),
        lambda rng: {"city": w.city(rng)},
        lambda rng, a: {"condition": rng.choice(w.CONDITIONS), "temperature": rng.randint(-15, 38)},
        ("What is the weather in {city}?", "How is the weather in {city} today?", "Tell me the weather in {city}.", "Is it cold in {city}?",
         "Do I need a coat in {city}?", "weather in {city} please", "What's it like outside in {city} right now?",
         "I am travelling to {city}. What is the weather there?", "Can you check the weather for {city}?", "How warm is it in {city}?"),
        ("In {city} it is {r_condition} with {r_temperature} degrees.", "It is {r_temperature} degrees and {r_condition} in {city}.",
         "The weather in {city} is {r_condition}, {r_temperature} degrees."),
        ("And in {city}?", "What about {city}?", "And {city}?", "How is it in {city}?"), ("city",),
        (("What is the weather?", "Which city do you mean?"), ("How warm is it outside?", "In which city?"))),
    Family(
        "calculator", ("calculator", "calculate", "evaluate_expression", "math_eval", "compute"),
        ("Evaluates an arithmetic expression.", "Calculates the value of an expression.", "Does exact arithmetic."),
        "calculate", (P("expression", "expression|formula|input|expr", "string", "Expression to evaluate|The expression|What to calculate"),),
        lambda rng: {"expression": w.expression(rng)},
        lambda rng, a: {"result": calculate(a["expression"])},
        ("What is {expression}?", "Calculate {expression}.", "How much is {expression}?", "Please work out {expression}", "{expression}",
         "Can you compute {expression} for me?", "I need the value of {expression}.", "Give me the result of {expression}."),
        ("{expression} is {r_result}.", "The result is {r_result}.", "That is {r_result}.", "{expression} = {r_result}"),
        ("And {expression}?", "Now {expression}.", "And what is {expression}?"), ("expression",),
        (("Can you calculate something for me?", "Yes. What shall I calculate?"),)),
    Family(
        "create_event", ("create_event", "add_event", "calendar_add", "schedule_event", "new_appointment"),
        ("Adds an event to the calendar.", "Creates a calendar entry.", "Puts an appointment into the calendar."),
        "add events to the calendar",
        (P("title", "title|name|summary", "string", "Title of the event|What it is called"), DATE,
         P("time", "time|start|at", "string", "Start as HH:MM|Time of day, HH:MM")),
        lambda rng: {"title": f"{rng.choice(w.TOPICS)} {rng.choice(w.EVENTS)}", "date": w.date(rng), "time": w.time(rng)},
        lambda rng, a: {"event_id": w.code(rng), "status": "created"},
        ("Add a {title} on {date} at {time}.", "Put the {title} into my calendar for {date}, {time}.", "Schedule a {title} for {date} at {time}.",
         "Please create an event: {title}, {date}, {time}.", "I have a {title} on {date} at {time}, please note it in the calendar.",
         "On {date} at {time} there is a {title}. Add it.", "Book a {title} at {time} on {date}."),
        ("I added the {title} on {date} at {time}. Its number is {r_event_id}.", "Done: {title} on {date} at {time}, number {r_event_id}.",
         "The {title} is in your calendar for {date} at {time} ({r_event_id})."),
        ("Also a {title} on {date} at {time}.", "And a {title} on {date} at {time}."), ("title", "date", "time"),
        (("Add a meeting to my calendar.", "What is it called, and on which date and at what time?"),)),
    Family(
        "list_events", ("list_events", "calendar_list", "get_events", "show_calendar", "find_appointments"),
        ("Lists the events of a day.", "Shows what is in the calendar on a date.", "Returns all appointments of a day."),
        "show the calendar", (DATE,),
        lambda rng: {"date": w.date(rng)},
        lambda rng, a: {"events": [f"{w.time(rng)} {rng.choice(w.TOPICS)} {rng.choice(w.EVENTS)}" for _ in range(rng.randint(1, 3))]},
        ("What is on my calendar on {date}?", "What do I have on {date}?", "Show my appointments for {date}.", "Am I busy on {date}?",
         "List the events of {date}.", "Which meetings are there on {date}?"),
        ("On {date} you have: {r_events}.", "Your calendar on {date}: {r_events}."),
        ("And on {date}?", "What about {date}?"), ("date",),
        (("What is on my calendar?", "For which date?"),)),
    Family(
        "inventory", ("check_inventory", "inventory_lookup", "stock_level", "get_stock", "warehouse_query"),
        ("How many pieces of an item are in stock, and their price.", "Looks up stock and price of an item.", "Checks the warehouse."),
        "check the stock", (P("item", "item|product|article|name", "string", "Name of the item|The product|What to look for"),),
        lambda rng: {"item": w.item(rng)},
        lambda rng, a: {"in_stock": rng.randint(1, 500), "price": w.price(rng)},
        ("How many of the {item} do we have?", "Is the {item} in stock?", "Check the stock of the {item}.", "What does the {item} cost?",
         "Do we have any {item} left?", "I want to buy a {item}. Is there one?", "stock of {item}?", "Price and stock of the {item}, please."),
        ("There are {r_in_stock} pieces of the {item}, at {r_price} each.", "We have {r_in_stock} of the {item}. One costs {r_price}.",
         "The {item} costs {r_price}, and {r_in_stock} are in stock."),
        ("And the {item}?", "What about the {item}?", "And a {item}?"), ("item",),
        (("Is it in stock?", "Which item do you mean?"),)),
    Family(
        "search_files", ("search_files", "find_files", "file_search", "grep_files", "locate"),
        ("Finds files that contain a word.", "Searches the files of a folder for a text.", "Returns the paths of matching files."),
        "search files",
        (P("query", "query|text|pattern|word", "string", "What to search for|Text to find"),
         P("folder", "folder|directory|root|dir", "string", "Folder to search in|Where to look")),
        lambda rng: {"query": rng.choice([w.made_word(rng), rng.choice(w.TOPICS), w.key(rng)]), "folder": rng.choice(w.FOLDERS)},
        lambda rng, a: {"files": [f"{a['folder']}/{w.file_name(rng)}" for _ in range(rng.randint(1, 3))]},
        ("Which files in {folder} mention {query}?", "Search {folder} for {query}.", "Find {query} in the {folder} folder.",
         "Look for {query} in {folder}.", "Where in {folder} does {query} occur?", "Is there a file about {query} under {folder}?",
         "grep for {query} in {folder}"),
        ("{query} is in {r_files}.", "I found {query} in: {r_files}.", "These files mention {query}: {r_files}."),
        ("And {query}?", "Now search for {query}.", "And where is {query}?"), ("query",),
        (("Search my files.", "What shall I search for, and in which folder?"),)),
    Family(
        "read_file", ("read_file", "open_file", "cat_file", "get_file_contents", "view"),
        ("Reads a text file.", "Returns the contents of a file.", "Shows a file."),
        "read files", (P("path", "path|file|filename|file_path", "string", "Path of the file|Which file to read"),),
        lambda rng: {"path": w.path(rng)},
        lambda rng, a: w.sentence(rng),
        ("What is in {path}?", "Read {path}.", "Show me {path}.", "Open {path} and tell me what it says.", "What does {path} say?",
         "Please print the file {path}.", "I need the contents of {path}."),
        ("{path} says: {r_value}", "The file says: {r_value}", "In {path} it says: {r_value}"),
        ("And {path}?", "What about {path}?", "Now {path}."), ("path",),
        (("Read the file.", "Which file? Please give me its path."),)),
    Family(
        "set_note", ("set_note", "save_note", "put_value", "store", "remember"),
        ("Stores a value under a key.", "Saves a note.", "Remembers a value by its key."),
        "store notes",
        (P("key", "key|name|id", "string", "The key|Name of the note"), P("value", "value|text|content", "string", "What to store|The text")),
        lambda rng: {"key": w.key(rng), "value": rng.choice([str(w.amount(rng)), w.made_word(rng), w.full_name(rng), w.item(rng)])},
        lambda rng, a: {"ok": True},
        ("Remember that {key} is {value}.", "Store {value} under {key}.", "Save a note {key} with the text {value}.", "Set {key} to {value}.",
         "Please note: {key} = {value}", "Keep {value} as {key}."),
        ("I stored {value} under {key}.", "Noted: {key} is {value}.", "Done, {key} is now {value}."),
        ("And {key} is {value}.", "Also set {key} to {value}."), ("key", "value"),
        (("Remember something for me.", "Gladly. Under which key, and what?"),)),
    Family(
        "get_note", ("get_note", "load_note", "get_value", "recall", "lookup_key"),
        ("Returns the value of a key.", "Loads a note.", "Looks up what was stored under a key."),
        "look up notes", (P("key", "key|name|id", "string", "The key|Name of the note"),),
        lambda rng: {"key": w.key(rng)},
        lambda rng, a: rng.choice([str(w.amount(rng)), w.made_word(rng), w.full_name(rng), w.sentence(rng)]),
        ("What is {key}?", "What did I store under {key}?", "Look up {key}.", "Tell me the value of {key}.", "Do you remember {key}?",
         "Which value does {key} have?"),
        ("{key} is: {r_value}", "Under {key} I find: {r_value}", "The note {key} says: {r_value}"),
        ("And {key}?", "What about {key}?"), ("key",),
        (("What did I store?", "Under which key?"),)),
    Family(
        "convert_currency", ("convert_currency", "exchange", "currency_converter", "fx_convert"),
        ("Converts an amount of money.", "Converts between currencies at the rate of today."),
        "convert money",
        (P("amount", "amount|value|sum", "number", "How much|The amount"),
         P("source", "from|source|from_currency|base", "string", "Currency code to convert from|Code of the first currency"),
         P("target", "to|target|to_currency|into", "string", "Currency code to convert to|Code of the second currency")),
        lambda rng: dict(zip(("amount", "source", "target"), (w.amount(rng), *rng.sample(w.CURRENCIES, 2)))),
        lambda rng, a: {"converted": round(a["amount"] * rng.uniform(0.1, 9), 2)},
        ("How much is {amount} {source} in {target}?", "Convert {amount} {source} to {target}.", "What are {amount} {source} in {target}?",
         "I have {amount} {source}. How many {target} is that?", "{amount} {source} in {target}?", "Change {amount} {source} into {target}."),
        ("{amount} {source} are {r_converted} {target}.", "That is {r_converted} {target}.", "You get {r_converted} {target} for {amount} {source}."),
        ("And {amount}?", "And for {amount}?"), ("amount",),
        (("Convert my money.", "How much, from which currency and into which?"),)),
    Family(
        "send_message", ("send_message", "send_email", "mail", "post_message", "notify"),
        ("Sends a message to a person.", "Sends an email.", "Delivers a text to somebody."),
        "send messages",
        (P("recipient", "to|recipient|address", "string", "Who gets it|Address of the recipient"),
         P("body", "body|text|message|content", "string", "Text of the message|What to send")),
        lambda rng: {"recipient": rng.choice([w.email, w.first_name])(rng), "body": w.sentence(rng)},
        lambda rng, a: {"message_id": w.code(rng), "sent": True},
        ("Send {recipient} this message: {body}", "Write to {recipient}: {body}", "Tell {recipient}: {body}", "Message {recipient} the following: {body}",
         "Please let {recipient} know this: {body}", "Mail to {recipient}: {body}"),
        ("I sent it to {recipient}. The number of the message is {r_message_id}.", "Your message to {recipient} was sent ({r_message_id}).",
         "Done, {recipient} has the message {r_message_id}."),
        ("Send the same to {recipient}.", "And to {recipient} too."), ("recipient",),
        (("Send a message.", "To whom, and what shall it say?"),)),
    Family(
        "set_reminder", ("set_reminder", "remind", "create_reminder", "set_timer", "alarm"),
        ("Reminds the user after some minutes.", "Sets a reminder.", "Creates a timer with a text."),
        "set reminders",
        (P("text", "text|what|message|label", "string", "What to be reminded of|The text"),
         P("minutes", "minutes|delay|in_minutes", "integer", "Minutes from now|After how many minutes")),
        lambda rng: {"text": rng.choice(w.TASKS), "minutes": rng.randint(1, 240)},
        lambda rng, a: {"status": "set", "due": w.time(rng)},
        ("Remind me to {text} in {minutes} minutes.", "In {minutes} minutes I have to {text}. Remind me.", "Set a reminder to {text} in {minutes} minutes.",
         "Please remind me in {minutes} minutes to {text}.", "I must {text} in {minutes} minutes, do not let me forget."),
        ("I will remind you to {text} at {r_due}.", "The reminder to {text} is set for {r_due}.", "Set: {text}, at {r_due}."),
        ("Also to {text} in {minutes} minutes.", "And in {minutes} minutes to {text}."), ("text", "minutes"),
        (("Remind me.", "Of what, and in how many minutes?"),)),
    Family(
        "local_time", ("get_time", "local_time", "world_clock", "time_in"),
        ("Local time of a city.", "Returns what time it is somewhere.", "The clock of a place."),
        "tell the time", (CITY,),
        lambda rng: {"city": w.city(rng)},
        lambda rng, a: {"time": w.time(rng), "day": rng.choice(w.DAYS)},
        ("What time is it in {city}?", "Tell me the local time in {city}.", "How late is it in {city}?", "time in {city}?",
         "Can I call {city} now, or is it night there?", "What is the time in {city} now?"),
        ("In {city} it is {r_time} on {r_day}.", "It is {r_day}, {r_time}, in {city}."),
        ("And in {city}?", "What about {city}?", "And {city}?"), ("city",),
        (("What time is it there?", "Which city do you mean?"),)),
    Family(
        "order_status", ("order_status", "track_order", "get_order", "lookup_order", "parcel_tracking"),
        ("State of an order.", "Tracks an order by its number.", "Where an order is and when it comes."),
        "track orders", (P("order", "order_id|order|number|order_number", "string", "Number of the order|The order's number"),),
        lambda rng: {"order": w.code(rng)},
        lambda rng, a: {"state": rng.choice(["shipped", "packed", "delivered", "delayed", "waiting"]), "arrival": w.date(rng)},
        ("Where is my order {order}?", "What is the state of order {order}?", "Track {order}.", "When does {order} arrive?",
         "Has order {order} been sent?", "My order number is {order}. When will it come?"),
        ("Order {order} is {r_state} and arrives on {r_arrival}.", "{order} is {r_state}; it should arrive on {r_arrival}."),
        ("And {order}?", "What about {order}?"), ("order",),
        (("Where is my order?", "What is the number of the order?"),)),
    Family(
        "flights", ("search_flights", "find_flights", "flight_search", "list_flights"),
        ("Finds flights between two cities on a day.", "Searches for flights.", "Lists flights of a date."),
        "search for flights",
        (P("origin", "origin|from_city|departure|from", "string", "City of departure|Where from"),
         P("destination", "destination|to_city|arrival|to", "string", "City of arrival|Where to"), DATE),
        lambda rng: {"origin": w.city(rng), "destination": w.city(rng), "date": w.date(rng)},
        lambda rng, a: {"flight": w.code(rng), "departs": w.time(rng), "price": rng.randint(39, 900)},
        ("Find a flight from {origin} to {destination} on {date}.", "I want to fly from {origin} to {destination} on {date}.",
         "Are there flights from {origin} to {destination} on {date}?", "Flights {origin} to {destination}, {date}?",
         "On {date} I need to get from {origin} to {destination}.", "How can I fly to {destination} from {origin} on {date}?"),
        ("Flight {r_flight} leaves {origin} at {r_departs} and costs {r_price}.", "There is {r_flight} at {r_departs} for {r_price}.",
         "You can take {r_flight} to {destination} at {r_departs}, for {r_price}."),
        ("And on {date}?", "What about {date}?"), ("date",),
        (("Find me a flight.", "From where to where, and on which date?"),)),
    Family(
        "find_contact", ("find_contact", "lookup_person", "get_contact", "search_people", "directory"),
        ("Finds email and phone of a person.", "Looks up a contact.", "The address book."),
        "look up contacts", (P("name", "name|person|who|full_name", "string", "Name of the person|Who to look for"),),
        lambda rng: {"name": w.full_name(rng)},
        lambda rng, a: {"email": w.email(rng), "phone": str(rng.randint(10 ** 6, 10 ** 7 - 1))},
        ("What is the email of {name}?", "How can I reach {name}?", "Find the contact of {name}.", "Look up {name}.", "I need the phone number of {name}.",
         "Do we have an address for {name}?"),
        ("{name}: {r_email}, phone {r_phone}.", "You reach {name} at {r_email} or by phone at {r_phone}."),
        ("And {name}?", "What about {name}?"), ("name",),
        (("Find a phone number.", "Whose number do you need?"),)),
    Family(
        "run_command", ("run_command", "shell", "execute", "bash", "terminal"),
        ("Runs a shell command and returns its output.", "Executes a command.", "A shell."),
        "run commands", (P("command", "command|cmd|line|script", "string", "The command line|What to run"),),
        lambda rng: {"command": w.command(rng)},
        lambda rng, a: {"exit_code": rng.choice([0, 0, 0, 1, 2]), "output": rng.choice([w.sentence(rng), w.file_name(rng), str(w.amount(rng))])},
        ("Run {command}", "Please execute: {command}", "Run this in the shell: {command}", "What does {command} print?", "Do {command} for me",
         "Try {command} and tell me what happens"),
        ("It ended with code {r_exit_code} and printed: {r_output}", "The exit code is {r_exit_code}, the output: {r_output}"),
        ("Now {command}", "And now run {command}"), ("command",),
        (("Run a command.", "Which command?"),)),
    Family(
        "stock_price", ("stock_price", "get_quote", "ticker", "share_price"),
        ("Price of a share.", "Looks up a share by its symbol.", "Quote of a symbol."),
        "look up share prices", (P("symbol", "symbol|ticker|stock", "string", "Symbol of the share|The symbol"),),
        lambda rng: {"symbol": "".join(rng.choice(w.LETTERS) for _ in range(rng.randint(3, 4)))},
        lambda rng, a: {"price": w.price(rng), "change": round(rng.uniform(-9, 9), 1)},
        ("What is the price of {symbol}?", "How is {symbol} doing?", "Quote for {symbol}, please.", "How much is one share of {symbol}?", "{symbol}?"),
        ("{symbol} stands at {r_price}, a change of {r_change} percent.", "One share of {symbol} costs {r_price} ({r_change} percent)."),
        ("And {symbol}?", "What about {symbol}?"), ("symbol",),
        (("How are my shares?", "Which symbol shall I look up?"),)),
    Family(
        "create_ticket", ("create_ticket", "open_issue", "report_bug", "new_ticket"),
        ("Opens a ticket.", "Reports a problem to the support team.", "Creates an issue."),
        "open tickets",
        (P("title", "title|subject|summary", "string", "Short title|What it is about"),
         P("priority", "priority|severity|urgency", "string", "How urgent it is|The priority", ("low", "medium", "high"))),
        lambda rng: {"title": rng.choice([f"{rng.choice(w.THINGS)} is broken", f"{rng.choice(w.TOPICS)} page fails", f"no access to {w.made_word(rng)}",
                                          f"{w.made_word(rng)} is slow"]), "priority": rng.choice(["low", "medium", "high"])},
        lambda rng, a: {"ticket": w.code(rng)},
        ("Open a ticket with {priority} priority: {title}", "Report this with priority {priority}: {title}", "Please file: {title}. It is {priority} priority.",
         "New {priority} ticket: {title}", "There is a problem, {title}. Priority {priority}."),
        ("I opened ticket {r_ticket}: {title}.", "Your ticket is {r_ticket}, with {priority} priority."),
        ("Another one, {priority}: {title}",), ("title", "priority"),
        (("I have a problem.", "What is it, and how urgent: low, medium or high?"),)),
    Family(
        "set_light", ("set_light", "light_control", "switch_lamp", "control_light"),
        ("Switches the light of a room.", "Turns a light on or off.", "Controls lamps."),
        "switch the lights",
        (P("room", "room|where|zone", "string", "The room|Which room"), P("on", "on|state|enabled", "boolean", "true for on, false for off|On or off")),
        lambda rng: {"room": rng.choice(w.ROOMS), "on": rng.random() < 0.5},
        lambda rng, a: {"ok": True},
        ("Turn {on:on,off} the light in the {room}.", "Switch the {room} light {on:on,off}.", "Lights {on:on,off} in the {room}, please.",
         "The light in the {room} should be {on:on,off}.", "Please turn the lamp in the {room} {on:on,off}."),
        ("The light in the {room} is {on:on,off} now.", "Done, the {room} light is {on:on,off}."),
        ("Also {on:on,off} in the {room}.", "And {on:on,off} in the {room}."), ("room", "on"),
        (("Switch the light.", "In which room, and on or off?"),)),
    Family(
        "distance", ("get_distance", "distance", "route_length", "how_far"),
        ("Distance between two cities in kilometres.", "How far two places are apart."),
        "measure distances",
        (P("origin", "origin|from|start|a", "string", "First city|Where to start"), P("destination", "destination|to|end|b", "string", "Second city|Where to go")),
        lambda rng: {"origin": w.city(rng), "destination": w.city(rng)},
        lambda rng, a: {"kilometres": rng.randint(20, 9000)},
        ("How far is it from {origin} to {destination}?", "What is the distance between {origin} and {destination}?", "Distance {origin} to {destination}?",
         "How many kilometres are there between {origin} and {destination}?", "Is {destination} far from {origin}?"),
        ("From {origin} to {destination} it is {r_kilometres} kilometres.", "{origin} and {destination} are {r_kilometres} kilometres apart."),
        ("And to {destination}?", "How far is it to {destination}?"), ("destination",),
        (("How far is it?", "From where to where?"),)),
    Family(
        "shopping_list", ("add_to_list", "shopping_list_add", "add_items", "put_on_list"),
        ("Adds items to the shopping list.", "Puts things on the list."),
        "keep the shopping list", (P("items", "items|things|products", "array", "The items|What to add"),),
        lambda rng: {"items": [w.item(rng) for _ in range(rng.randint(1, 3))]},
        lambda rng, a: {"total": rng.randint(len(a["items"]), 30)},
        ("Put {items} on my shopping list.", "Add {items} to the list.", "I need {items}. Put that on the list.", "We are out of {items}, add that please.",
         "shopping list: {items}"),
        ("I added {items}. The list has {r_total} items now.", "Done. With {items} there are {r_total} items on the list."),
        ("And {items}.", "Also {items}."), ("items",),
        (("Add something to my list.", "What shall I add?"),)),
    Family(
        "roll_dice", ("roll_dice", "dice", "roll", "throw_dice"),
        ("Rolls dice.", "Throws some dice and returns their sum."),
        "roll dice",
        (P("count", "count|number|dice", "integer", "How many dice|Number of dice"), P("sides", "sides|faces", "integer", "Sides of a die|How many sides")),
        lambda rng: {"count": rng.randint(1, 9), "sides": rng.choice([4, 6, 8, 10, 12, 20, 100])},
        lambda rng, a: {"sum": rng.randint(a["count"], a["count"] * a["sides"])},
        ("Roll {count} dice with {sides} sides.", "Throw {count} dice of {sides} sides each.", "Please roll {count} {sides}-sided dice.",
         "{count} dice, {sides} sides, roll them."),
        ("You rolled {r_sum}.", "The sum of the {count} dice is {r_sum}."),
        ("Again, with {count} dice.",), ("count",),
        (("Roll the dice.", "How many dice, and with how many sides?"),)),
    Family(
        "count_rows", ("count_rows", "query_table", "db_count", "sql_count"),
        ("Counts the rows of a table that match a value.", "Queries a database table."),
        "query the database",
        (P("table", "table|relation|from", "string", "Name of the table|Which table"), P("column", "column|field", "string", "Column to compare|Which field"),
         P("value", "value|equals|match", "string", "Value to look for|What it must equal")),
        lambda rng: {"table": rng.choice([rng.choice(w.THINGS) + "s", w.made_word(rng)]), "column": rng.choice(["city", "colour", "state", "owner", "kind"]),
                     "value": rng.choice([w.city(rng), rng.choice(w.COLOURS), w.first_name(rng)])},
        lambda rng, a: {"rows": rng.randint(0, 5000)},
        ("How many rows in {table} have {column} {value}?", "Count the {table} where {column} is {value}.", "In table {table}, how often is {column} equal to {value}?",
         "Number of entries in {table} with {column} {value}?"),
        ("There are {r_rows} rows in {table} with {column} {value}.", "{r_rows} rows match."),
        ("And with {column} {value}?",), ("column", "value"),
        (("Count the rows.", "In which table, and which column must have which value?"),)),
)

BY_KEY = {family.key: family for family in FAMILIES}
