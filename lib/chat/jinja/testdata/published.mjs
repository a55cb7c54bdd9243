// Prints the chat templates that @huggingface/ollama-utils carries as a JSON list of {name, source}.
import fs from "node:fs";

const text = fs.readFileSync("node_modules/@huggingface/ollama-utils/src/chat-template-automap.ts", "utf8");
const list = text.slice(text.indexOf("[", text.indexOf("=", text.indexOf("export const"))), text.lastIndexOf("]") + 1);
const entries = new Function("return " + list)();
process.stdout.write(JSON.stringify(entries.map((e) => ({ name: e.model, source: e.gguf }))));
