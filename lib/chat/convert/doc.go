// Package convert turns records of other dialogue formats into conversations, and back where nothing is lost.
//
//	file of JSON or JSONL --Read--> records --OpenAI, XTuner, Alpaca, ShareGPT or Any--> chat.Conversation --To…--> record
//
// Invariant: a record that does not fit gives an error that names file, record and place; the records behind it are still read,
// unless the file itself stops being JSON.
// Invariant: a To… function gives a record that its reader turns into the same conversation again, or an error.
//
// Deliberately absent: downloading, prompts of its own (alpaca's "Below is an instruction…" is a template's business), media files.
//
// Sources: XTuner's dataset_format documents and map functions; LLaMA-Factory's data/README.md; OpenAI's fine-tuning format.
package convert
