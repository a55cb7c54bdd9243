package chat

import (
	"regexp"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// jsonCalls reads calls written as JSON: one object, a list of them, or several behind each other.
func jsonCalls(s string) []ToolCall {
	var out []ToolCall
	for rest := unfence(s); ; {
		v, after, ok := repairJSON(strings.TrimLeft(rest, " \t\r\n,;"))
		if !ok || len(after) >= len(rest) {
			return out
		}
		out = append(out, objectCalls(v)...)
		rest = after
	}
}

func objectCalls(v jsontext.Value) []ToolCall {
	if v.Kind() == '[' {
		var list []jsontext.Value
		if json.Unmarshal(v, &list) != nil {
			return nil
		}
		var out []ToolCall
		for _, e := range list {
			if e.Kind() == '{' {
				out = append(out, objectCalls(e)...)
			}
		}
		return out
	}
	var o map[string]jsontext.Value
	if json.Unmarshal(v, &o, jsontext.AllowDuplicateNames(true)) != nil {
		return nil
	}
	if inner, ok := o["function"]; ok && inner.Kind() == '{' { // OpenAI's shape
		return objectCalls(inner)
	}
	var c ToolCall
	if json.Unmarshal(o["name"], &c.Name) != nil || c.Name == "" {
		return nil
	}
	if o["id"].Kind() == '"' {
		_ = json.Unmarshal(o["id"], &c.ID)
	}
	for _, key := range []string{"arguments", "parameters", "args"} {
		if a, ok := o[key]; ok {
			c.Arguments = arguments(a)
			return []ToolCall{c}
		}
	}
	c.Arguments = "{}"
	return []ToolCall{c}
}

// arguments is the JSON object in v, which may be packed in a text once more; {} when there is none.
func arguments(v jsontext.Value) string {
	var s string
	if v.Kind() == '"' && json.Unmarshal(v, &s) == nil {
		v, _, _ = repairJSON(unfence(s))
	}
	if v.Kind() != '{' || !v.IsValid(jsontext.AllowDuplicateNames(true)) {
		return "{}"
	}
	return string(v)
}

func internLM2Call(s string) []ToolCall {
	s = strings.TrimLeft(s, " \n")
	if code, ok := strings.CutPrefix(s, "<|interpreter|>"); ok {
		return codeCall(code)
	}
	s = strings.TrimPrefix(s, "<|plugin|>")
	if strings.HasPrefix(strings.TrimSpace(s), "```py") {
		return codeCall(s)
	}
	return jsonCalls(s)
}

func codeCall(s string) []ToolCall {
	if code := unfence(s); strings.TrimSpace(code) != "" {
		return []ToolCall{{Code: true, Arguments: code}}
	}
	return nil
}

var methodCall = regexp.MustCompile(`^\s*([A-Za-z_]\w*)\.call\(`)

// llama3Call reads what follows <|python_tag|>, or a whole answer that begins with a brace.
func llama3Call(s string) []ToolCall {
	if calls := jsonCalls(s); len(calls) > 0 {
		return calls
	}
	if m := methodCall.FindStringSubmatch(s); m != nil {
		inside := strings.TrimSuffix(strings.TrimSpace(s[len(m[0]):]), ")")
		if args, _, ok := repairJSON("{" + inside + "}"); ok {
			return []ToolCall{{Name: m[1], Arguments: string(args)}}
		}
	}
	if strings.HasPrefix(strings.TrimSpace(s), "{") {
		return nil
	}
	return codeCall(s)
}

var namedArguments = regexp.MustCompile(`^\s*([\w.-]+)\s*(?:\[CALL_ID\]\s*(\w+)\s*)?(?:\[ARGS\]\s*)?(\{)`)

// mistralCalls reads a list of calls, or the later form name[ARGS]{…}.
func mistralCalls(s string) []ToolCall {
	if m := namedArguments.FindStringSubmatchIndex(s); m != nil {
		if args, _, ok := repairJSON(s[m[6]:]); ok {
			c := ToolCall{Name: s[m[2]:m[3]], Arguments: string(args)}
			if m[4] >= 0 {
				c.ID = s[m[4]:m[5]]
			}
			return []ToolCall{c}
		}
	}
	return jsonCalls(s)
}

// deepSeekCalls reads calls of the form type<sep>name and fenced JSON, and the later form name<sep>JSON.
func deepSeekCalls(s string) []ToolCall {
	var out []ToolCall
	for _, part := range strings.Split(s, "<｜tool▁call▁begin｜>") {
		part, _, _ = strings.Cut(part, "<｜tool▁call▁end｜>")
		head, tail, ok := strings.Cut(part, "<｜tool▁sep｜>")
		if !ok {
			continue
		}
		name, args := strings.TrimSpace(head), tail
		if line, rest, _ := strings.Cut(tail, "\n"); !strings.ContainsAny(line, "{[") {
			name, args = strings.TrimSpace(line), rest
		}
		if name == "" {
			continue
		}
		c := ToolCall{Name: name, Arguments: "{}"}
		if v, _, ok := repairJSON(unfence(args)); ok {
			c.Arguments = arguments(v)
		}
		out = append(out, c)
	}
	return out
}
