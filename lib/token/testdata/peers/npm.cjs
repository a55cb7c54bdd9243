// Answers for lib/token's tests by npm's tiktoken and @huggingface/tokenizers: reads a request as JSON, writes ids.
// Request: {"library": "tiktoken"|"hf", "name": encoding, "file": tokenizer.json, "texts": [...], "special": bool, "time": n}
const fs = require('fs');
const req = JSON.parse(fs.readFileSync(0, 'utf8'));
async function main() {
  let encode, decode;
  if (req.library === 'tiktoken') {
    const enc = require('tiktoken').get_encoding(req.name);
    encode = t => enc.encode(t, req.special ? 'all' : [], []);
    decode = ids => Buffer.from(enc.decode(Uint32Array.from(ids))).toString('utf8');
  } else {
    const { Tokenizer } = require('@huggingface/tokenizers');
    const tok = new Tokenizer(JSON.parse(fs.readFileSync(req.file, 'utf8')), {});
    encode = t => tok.encode(t, { add_special_tokens: !!req.special }).ids;
    decode = ids => ids.length === 0 ? '' : tok.decode(ids, { skip_special_tokens: false, clean_up_tokenization_spaces: false });
  }
  if (req.time) {
    encode(req.texts[0]);
    let best = 1e9;
    for (let i = 0; i < req.time; i++) {
      const start = process.hrtime.bigint();
      for (const t of req.texts) encode(t);
      best = Math.min(best, Number(process.hrtime.bigint() - start) / 1e9);
    }
    process.stdout.write(JSON.stringify({ seconds: best }));
    return;
  }
  const ids = req.texts.map(t => Array.from(encode(t)));
  process.stdout.write(JSON.stringify({ ids, decoded: ids.map(decode) }));
}
main();
