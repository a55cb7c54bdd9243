// Package chat is the one place that knows how a conversation becomes tokens and how tokens become a conversation.
//
//	Conversation{Messages, Tools} --Template.Render--> text with origins and loss ranges --Chat.Encode--> ids and loss mask
//	text that a model writes --Parser--> Message{Content, ReasoningContent, ToolCalls}
//
// Whatever packs, serves, scores or acts takes a [Chat]: a [Template] joined to a tokenizer. So the prompt that a model is
// served with is, token for token, the prompt that it was tuned on.
//
//	message.go     messages, tool calls, tools, as OpenAI's JSON has them
//	template.go    a Template: Jinja text, special tokens, stop strings, tool format; builtin.go those that come along
//	internlm2.go   InternLM2's format in Go: the bytes of templates/internlm2.jinja, faster
//	mask.go        what the model writes, where a template does not mark it
//	encode.go      Chat: ids, mask, stop ids
//	load.go        templates and special tokens of model folders
//	toolparse.go   reasoning and calls out of streamed text; calls.go the formats; repair.go JSON that a small model broke
//	jinja/         the template language     taint/  text with origins     convert/  other formats of records
//
// Invariant: a control token enters the ids only where the template wrote it. The same characters inside a message, a tool
// description, a role or a name are encoded as text.
// Invariant: the mask is true for exactly the tokens that the model has to write: the assistant's text, its calls, and the token
// that ends its turn. Tokens never straddle the border between prompt and answer.
// Invariant: a Parser fed in pieces gives what it gives for the whole, and never fails.
// Invariant: Template and Chat are immutable and may be shared by goroutines; a Parser belongs to one.
//
// Deliberately absent: downloading templates, truncating conversations to a context length, pictures and sound in the built-in
// templates (they take text; a template of a model that sees may use the parts).
//
// Sources: chat_format.md of InternLM; the chat templates published with the models; the chat template documentation of
// transformers; OpenAI's chat completion API.
package chat
