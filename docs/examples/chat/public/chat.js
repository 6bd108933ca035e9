// The page of the chat: it enters a room, and stays in it over lost connections. What is said while there is none is sent
// when there is one again.

const $ = (id) => document.getElementById(id);
const door = $("door"), room = $("room"), enter = $("enter"), lines = $("lines"), text = $("text"), say = $("say");

/** A connection to a room that comes back when it is lost. */
class Connection {
  #url;
  #on;
  #ws = null;
  #tries = 0;
  #timers = { again: 0, beat: 0, late: 0 };
  #left = false;

  /** url() is asked for each time. on.message(m), on.state(text, open). */
  constructor(url, on) {
    this.#url = url;
    this.#on = on;
    this.#connect();
    addEventListener("online", this.#now);
    document.addEventListener("visibilitychange", this.#now);
  }

  /** Reports whether it was sent. */
  send(message) {
    if (this.#ws?.readyState !== WebSocket.OPEN) return false;
    this.#ws.send(JSON.stringify(message));
    return true;
  }

  leave() {
    this.#left = true;
    removeEventListener("online", this.#now);
    document.removeEventListener("visibilitychange", this.#now);
    this.#stop();
    this.#ws?.close(1000);
  }

  #connect() {
    this.#stop();
    this.#on.state("connecting …", false);
    const ws = (this.#ws = new WebSocket(this.#url()));
    ws.onmessage = ({ data }) => {
      this.#beat();
      if (data === "pong") return;
      const message = JSON.parse(data);
      if (message.type === "welcome") {
        this.#tries = 0;
        this.#on.state("connected", true);
      }
      this.#on.message(message);
    };
    ws.onclose = () => this.#lost(ws);
    this.#late(ws);
  }

  // The back-off doubles up to 15 seconds, and is spread so that not everybody comes back at once.
  #lost(ws) {
    if (ws !== this.#ws || this.#left) return;
    this.#ws = null;
    this.#stop();
    const ms = Math.min(15_000, 250 * 2 ** this.#tries++) * (0.5 + Math.random() / 2);
    this.#on.state("no connection, trying again …", false);
    this.#timers.again = setTimeout(() => this.#connect(), ms);
  }

  // The network is back, or somebody looks at the page again: there is no reason to wait any longer.
  #now = () => {
    if (this.#ws === null && document.visibilityState === "visible") this.#connect();
  };

  // A connection can be gone without anybody being told. So there is a ping every 20 seconds; the room need not wake up to answer.
  #beat() {
    clearTimeout(this.#timers.late);
    clearTimeout(this.#timers.beat);
    this.#timers.beat = setTimeout(() => {
      this.#ws?.send("ping");
      this.#late(this.#ws);
    }, 20_000);
  }

  #late(ws) {
    this.#timers.late = setTimeout(() => {
      ws?.close();
      this.#lost(ws); // a close that nobody answers takes long
    }, 10_000);
  }

  #stop() {
    for (const t of Object.values(this.#timers)) clearTimeout(t);
  }
}

/** What is shown of a room. */
class Room {
  #name;
  #connection;
  #last = -1; // the number of the last line
  #waiting = new Map(); // what was said and has not come back, by its id
  #typers = new Map(); // names to timers
  #typed = 0;

  constructor(name, id) {
    this.#name = name;
    $("title").textContent = `#${decodeURIComponent(id)}`;
    document.title = `#${decodeURIComponent(id)} – Chat`;
    lines.replaceChildren();
    const url = () => `${location.origin.replace(/^http/, "ws")}/rooms/${id}?name=${encodeURIComponent(name)}&after=${this.#last}`;
    this.#connection = new Connection(url, { message: (m) => this.#take(m), state: (t, open) => this.#state(t, open) });
  }

  say(words) {
    // randomUUID is there on https and localhost only.
    const id = Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(36)).join("-");
    const message = { type: "say", id, text: words };
    this.#waiting.set(id, { message, item: this.#show({ name: this.#name, text: words, at: Date.now() }, "mine waiting") });
    this.#connection.send(message);
    this.#typed = 0;
  }

  typing() {
    if (Date.now() - this.#typed < 2000) return;
    this.#typed = Date.now();
    this.#connection.send({ type: "typing" });
  }

  leave() {
    this.#connection.leave();
    for (const t of this.#typers.values()) clearTimeout(t);
    this.#typers.clear();
    this.#showTypers();
  }

  #state(words, open) {
    $("status").textContent = words;
    $("status").dataset.state = open ? "open" : "closed";
  }

  #take(message) {
    switch (message.type) {
      case "welcome":
        message.lines.forEach((line) => this.#line(line));
        this.#people(message.people);
        // What has not come back was not heard: a line that was is among those above.
        for (const { message: unheard } of this.#waiting.values()) this.#connection.send(unheard);
        break;
      case "line":
        this.#line(message);
        break;
      case "people":
        this.#people(message.people);
        break;
      case "typing":
        this.#typing(message.name);
        break;
      case "refused":
        $("status").textContent = message.reason;
        break;
    }
  }

  #line(line) {
    if (line.number <= this.#last) return;
    this.#last = line.number;
    this.#waiting.get(line.id)?.item.remove();
    this.#waiting.delete(line.id);
    this.#show(line, line.name === this.#name ? "mine" : "");
    this.#typing(line.name, false);
    for (const { item } of this.#waiting.values()) lines.append(item); // they come after it
  }

  // Everything that others wrote goes in as text.
  #show({ name, text, at }, className) {
    const follow = lines.scrollHeight - lines.scrollTop - lines.clientHeight < 80;
    const item = document.createElement("p"), about = document.createElement("span"), when = document.createElement("time");
    item.className = className;
    about.className = "about";
    when.dateTime = new Date(at).toISOString();
    when.textContent = new Date(at).toLocaleTimeString([], { timeStyle: "short" });
    about.append(`${name} · `, when);
    item.append(about, text);
    lines.append(item);
    if (follow || className.includes("waiting")) lines.scrollTop = lines.scrollHeight;
    return item;
  }

  #people(people) {
    $("people").replaceChildren(
      ...people.map((name) => {
        const item = document.createElement("li");
        item.textContent = name;
        if (name === this.#name) item.className = "me";
        return item;
      }),
    );
    for (const name of this.#typers.keys()) if (!people.includes(name)) this.#typing(name, false);
  }

  #typing(name, now = true) {
    clearTimeout(this.#typers.get(name));
    if (now) this.#typers.set(name, setTimeout(() => this.#typing(name, false), 4000));
    else this.#typers.delete(name);
    this.#showTypers();
  }

  #showTypers() {
    const names = [...this.#typers.keys()];
    $("typing").textContent = names.length === 0 ? "" : `${names.join(", ")} ${names.length === 1 ? "is" : "are"} typing …`;
  }
}

let current = null;

function show(entered) {
  door.hidden = entered;
  room.hidden = !entered;
}

// The room is the page's fragment, so that a link leads to it; the name is remembered.
enter.addEventListener("submit", (event) => {
  event.preventDefault();
  const data = new FormData(enter), name = data.get("name").trim(), id = encodeURIComponent(data.get("room").trim());
  if (name === "" || id === "") return;
  sessionStorage.setItem("name", name);
  localStorage.setItem("name", name);
  history.replaceState(null, "", `#${id}`);
  current = new Room(name, id);
  show(true);
  text.focus();
});

$("leave").addEventListener("click", () => {
  current?.leave();
  current = null;
  sessionStorage.removeItem("name");
  show(false);
  enter.elements.name.focus();
});

function send() {
  const words = text.value.trim();
  if (words === "" || current === null) return;
  current.say(words);
  text.value = "";
}
say.addEventListener("submit", (event) => {
  event.preventDefault();
  send();
});
text.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  send();
});
text.addEventListener("input", () => current?.typing());

// A tab that was in the room is in it again after a reload.
enter.elements.room.value = decodeURIComponent(location.hash.slice(1)) || "lobby";
enter.elements.name.value = sessionStorage.getItem("name") ?? localStorage.getItem("name") ?? "";
if (sessionStorage.getItem("name") !== null && location.hash !== "") enter.requestSubmit();
else show(false);
