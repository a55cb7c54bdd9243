// Package sample turns the logits of one position into the next token.
//
// # Stages
//
// In this order, each skipped where its parameter is off:
//
//  1. logit bias is added;
//  2. repetition penalty over every id of the history, prompt included: logit/p where positive, logit·p where negative
//     (Keskar et al. 2019, arXiv:1909.05858 §4.1), once an id however often it occurs;
//  3. frequency and presence penalties over the generated ids: logit − count·frequency − presence (OpenAI's API);
//  4. bans: ids that would repeat an n-gram of the history, Banned ids, and StopIDs before MinTokens;
//  5. the mask of allowed ids (constrained decoding);
//  6. temperature: logits are divided by it; 0 takes the most likely id and ends here;
//  7. top-k: the k most likely ids, of equals the lowest id;
//  8. top-p: the fewest most likely ids whose probabilities add up to p (Holtzman et al. 2020, arXiv:1904.09751 §3.1);
//  9. min-p: ids at least min-p times as likely as the most likely (Nguyen et al. 2024, arXiv:2407.01082 §3);
//  10. typical: ids whose surprise is nearest to the entropy, until they add up to p (Meister et al. 2022,
//     arXiv:2202.00666 §3);
//  11. one draw from what is left. Probabilities are those of what the stage before has left.
//
// Hugging Face's generate (GenerationMixin._get_logits_processor: sequence bias, repetition penalty, n-grams, min new
// tokens, temperature, top-k, top-p, min-p, typical) has the same order; so has LMDeploy (FusedLogitsProcessor:
// repetition penalty, temperature, bad words, stop words, guided mask, top-k, top-p, min-p), where bans come after the
// temperature, which is no difference as a ban is −∞ and dividing leaves it so. Presence and frequency penalties, which
// neither has, stand where vLLM has them. Two details where the two part: top-k keeps exactly k ids (LMDeploy; Hugging
// Face keeps ties), and top-p stops when p is reached (Hugging Face; LMDeploy needs it passed). Presence and frequency
// count generated ids, not the prompt (vLLM).
//
// # Files
//
//	params.go   what a request asks for        sampler.go  Pick, Probs, Best, Verify
//	logits.go   stages 1–4                     filter.go   stages 5–11
//	select.go   partial selection              exp.go      passes over a vocabulary, the same bits on every machine
//
// **Invariant:** a token depends on its logits, the history, the mask and the parameters alone, not on the batch it is in
// or on how often a sequence was evicted and recomputed: the random number of a position is a function of the seed and
// len(history).
//
// **Invariant:** an id that the mask does not allow is never picked.
//
// **Invariant:** a Sampler allocates nothing after the first tokens of a vocabulary size.
//
// Deliberately absent: mirostat, dynamic temperature and other schemes whose output depends on a hidden state that a
// recomputed sequence would not have.
package sample
