package convert_test

import (
	"fmt"
	"strings"

	"quire/lib/chat/convert"
)

func Example() {
	file := `{"instruction":"Name a colour.","input":"","output":"Blue."}
{"conversation":[{"system":"Be brief.","input":"Hi","output":"Hello."}]}
{"question":"?"}
`
	for c, err := range convert.Read(strings.NewReader(file), "demo.jsonl", convert.Any) {
		if err != nil {
			fmt.Println(err)
			continue
		}
		for _, m := range c.Messages {
			fmt.Printf("%s: %s\n", m.Role, m.Content)
		}
	}
	// Output:
	// user: Name a colour.
	// assistant: Blue.
	// system: Be brief.
	// user: Hi
	// assistant: Hello.
	// convert: demo.jsonl: line 3: no known format: want a field messages (OpenAI), conversation (XTuner), conversations (ShareGPT) or instruction (alpaca)
}
