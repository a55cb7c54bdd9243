package comm

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"quire/kernel/link"
	"quire/kernel/wire"
)

func TestTable(t *testing.T) {
	var table Table
	table.Note(link.Comm{Op: "open", ID: "a", Target: "x"})
	table.Note(link.Comm{Op: "open", ID: "b", Target: "y"})
	if !table.Note(link.Comm{Op: "msg", ID: "a"}) || table.Note(link.Comm{Op: "msg", ID: "z"}) {
		t.Error("a message is known exactly if its comm is open")
	}
	if diff := cmp.Diff(map[string]map[string]string{"b": {"target_name": "y"}}, table.List("y")); diff != "" {
		t.Error(diff)
	}
	table.Note(link.Comm{Op: "close", ID: "a"})
	if closes := table.Clear(); len(closes) != 1 || closes[0].ID != "b" || closes[0].Op != "close" {
		t.Errorf("closes %v", closes)
	}
	if len(table.List("")) != 0 {
		t.Error("comms are left")
	}
}

func TestTranslate(t *testing.T) {
	m := wire.New("comm_open", "s", nil, map[string]any{"comm_id": "c", "target_name": "t", "data": map[string]int{"n": 1}})
	m.Buffers = [][]byte{{1}}
	c, err := FromFront(m)
	if err != nil || c.Op != "open" || c.ID != "c" || c.Target != "t" || string(c.Data) != `{"n":1}` || len(c.Buffers) != 1 {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := FromFront(wire.New("comm_msg", "s", nil, map[string]any{})); err == nil {
		t.Error("a message without comm_id was accepted")
	}
	if msgType, _ := ToFront(c); msgType != "comm_open" {
		t.Error(msgType)
	}
}
