// The page's half of gonbui: globalThis.gonb_comm, which the scripts of gonbui's widgets use, over Jupyter's comm protocol.
// It reaches the kernel by a WebSocket of its own to the Jupyter server, the one way that Lab, Notebook and the classic
// Notebook share. Running it again keeps the connection and the subscriptions and opens a new comm.
((kernel) => {
  const make = () => {
    const links = new Map(); // kernel → {socket, comm, waiting}; an address belongs to one program, so links share addresses
    const subscribers = new Map(); // id → [address, callback]
    const values = new Map(); // address → last value, for those who ask
    const random = () => Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(16).padStart(8, "0")).join("");
    const session = random();

    const post = (link, type, content) => {
      const header = { msg_id: random(), msg_type: type, username: "", session, date: new Date().toISOString(), version: "5.3" };
      link.socket.send(JSON.stringify({ channel: "shell", header, parent_header: {}, metadata: {}, content, buffers: [] }));
    };
    const open = (link) => {
      link.comm = random();
      post(link, "comm_open", { comm_id: link.comm, target_name: "gonb_comm", data: {} });
      for (const data of link.waiting.splice(0)) post(link, "comm_msg", { comm_id: link.comm, data });
    };
    const receive = (link, text) => {
      const message = typeof text === "string" ? JSON.parse(text) : {};
      const { comm_id, data } = message.content ?? {};
      if (message.header?.msg_type !== "comm_msg" || comm_id !== link.comm || !data?.address) return;
      if (data.read_request) {
        if (values.has(data.address)) page.send(data.address, values.get(data.address));
        return;
      }
      values.set(data.address, data.value);
      for (const [address, callback] of [...subscribers.values()]) {
        if (address === data.address) callback(address, data.value);
      }
    };
    const server = () => {
      const config = document.getElementById("jupyter-config-data");
      return document.body.dataset.baseUrl ?? (config ? JSON.parse(config.textContent).baseUrl : undefined);
    };

    const page = {
      connect(kernel) {
        const base = server();
        if (base === undefined) return; // the kernel tells the person
        const old = links.get(kernel);
        if (old?.socket.readyState === WebSocket.OPEN) return open(old);
        if (old?.socket.readyState === WebSocket.CONNECTING) return;
        const at = new URL(`${base}api/kernels/${kernel}/channels?session_id=${session}`, location.href);
        const link = { socket: new WebSocket(at.href.replace(/^http/, "ws")), waiting: [] };
        links.set(kernel, link);
        link.socket.onopen = () => open(link);
        link.socket.onmessage = (event) => receive(link, event.data);
      },
      send(address, value) {
        values.set(address, value);
        for (const link of links.values()) {
          if (link.socket.readyState === WebSocket.OPEN) post(link, "comm_msg", { comm_id: link.comm, data: { address, value } });
          else if (link.socket.readyState === WebSocket.CONNECTING) link.waiting.push({ address, value });
        }
      },
      subscribe(address, callback) {
        const id = Symbol(address);
        subscribers.set(id, [address, callback]);
        return id;
      },
      unsubscribe(id) {
        subscribers.delete(id);
      },
      // A value that the page and the program both set. The program is told the first one at once.
      newSyncedVariable(address, value) {
        const callbacks = new Map();
        const keep = (next) => {
          value = next;
          for (const callback of [...callbacks.values()]) callback(next);
        };
        page.subscribe(address, (_, next) => next !== value && keep(next));
        page.send(address, value);
        return {
          get: () => value,
          set(next) {
            if (next === value) return;
            keep(next);
            page.send(address, next);
          },
          subscribe(callback) {
            const id = Symbol(address);
            callbacks.set(id, callback);
            return id;
          },
          unsubscribe: (id) => void callbacks.delete(id),
        };
      },
      close() {
        for (const link of links.values()) link.socket.close();
        links.clear();
        if (globalThis.gonb_comm === page) delete globalThis.gonb_comm;
      },
    };
    return page;
  };
  globalThis.gonb_comm ??= make();
  globalThis.gonb_comm.connect(kernel);
})
