package convert

import (
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"quire/lib/chat"
)

type xtunerTurn struct {
	System string `json:"system,omitempty"`
	Input  string `json:"input"`
	Output string `json:"output"`
	Loss   *bool  `json:"output_with_loss,omitempty"`
}

// XTuner reads {"conversation":[{"system","input","output","output_with_loss"}]}. One turn with neither system nor input is a text
// to learn as it is.
func XTuner(record jsontext.Value) (chat.Conversation, error) {
	var in struct {
		Conversation []xtunerTurn `json:"conversation"`
	}
	if err := json.Unmarshal(record, &in); err != nil {
		return chat.Conversation{}, err
	}
	turns := in.Conversation
	if len(turns) == 0 {
		return chat.Conversation{}, errors.New("no turns under conversation")
	}
	if len(turns) == 1 && turns[0].System == "" && turns[0].Input == "" {
		return chat.Conversation{Messages: []chat.Message{{Role: chat.Pretrain, Content: turns[0].Output}}}, nil
	}
	var out chat.Conversation
	for _, t := range turns {
		if t.System != "" {
			out.Messages = append(out.Messages, chat.Message{Role: chat.System, Content: t.System})
		}
		if t.Input != "" {
			out.Messages = append(out.Messages, chat.Message{Role: chat.User, Content: t.Input})
		}
		out.Messages = append(out.Messages, chat.Message{Role: chat.Assistant, Content: t.Output, NoLoss: t.Loss != nil && !*t.Loss})
	}
	return out, nil
}

// ToXTuner writes what XTuner reads.
func ToXTuner(c chat.Conversation) (jsontext.Value, error) {
	var out struct {
		Conversation []xtunerTurn `json:"conversation"`
	}
	var t xtunerTurn
	last := ""
	for i, m := range c.Messages {
		if err := plain(c, i, "XTuner"); err != nil {
			return nil, err
		}
		switch {
		case m.Role == chat.Pretrain && len(c.Messages) == 1:
			out.Conversation = append(out.Conversation, xtunerTurn{Output: m.Content})
		case m.Role == chat.System && last != chat.System && last != chat.User && m.Content != "":
			t.System = m.Content
		case m.Role == chat.User && last != chat.User && m.Content != "":
			t.Input = m.Content
		case m.Role == chat.Assistant && (i > 0 || len(c.Messages) > 1):
			t.Output = m.Content
			if m.NoLoss {
				t.Loss = new(bool)
			}
			out.Conversation = append(out.Conversation, t)
			t = xtunerTurn{}
		default:
			return nil, misplaced(i, m, "XTuner")
		}
		last = m.Role
	}
	return finish(out, last, "XTuner")
}

// plain fails for what the format named to has no field for.
func plain(c chat.Conversation, i int, to string) error {
	m := c.Messages[i]
	if len(c.Tools) > 0 {
		return fmt.Errorf("convert: %s's format has no tools", to)
	}
	if m.Parts != nil || m.Name != "" || m.ReasoningContent != "" || len(m.ToolCalls) > 0 || m.ToolCallID != "" {
		return fmt.Errorf("convert: message %d has more than a text: %s's format cannot hold it", i+1, to)
	}
	return nil
}

func misplaced(i int, m chat.Message, to string) error {
	return fmt.Errorf("convert: message %d is a message of %s that %s's format cannot hold there", i+1, m.Role, to)
}

// finish writes a record whose last message must be an answer.
func finish(record any, last, to string) (jsontext.Value, error) {
	if last != chat.Assistant && last != chat.Pretrain {
		return nil, fmt.Errorf("convert: %s's format ends with an answer, this conversation does not", to)
	}
	return json.Marshal(record)
}
