package native

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/janpfeifer/gonb/gonbui/protocol"

	"quire/kernel/link"
	"quire/kernel/session"
)

// CommTarget is the comm target of gonbui's widgets. Messages carry {"address": …, "value": …} in both directions; the kernel asks for
// a value with {"address": …, "read_request": true}.
const CommTarget = "gonb_comm"

// pageScript is a JavaScript function of the kernel's id.
//
//go:embed page.js
var pageScript string

// pageLimit is how long a program waits for a page: a front end has to run the script and to connect.
const pageLimit = 5 * time.Second

const noPage = "gonbui: no page answers, so widgets do not work here; open the notebook in a browser, in Jupyter Lab or Notebook (VS Code and converters give scripts no way to the kernel)"

// pages are the open comms of the pages that show this session's notebook.
type pages struct {
	mu     sync.Mutex
	comms  map[string]bool
	opened chan struct{} // closed when a page opens a comm, nil if nobody waits
}

// connect shows the page's half of gonbui and waits until a page has opened a comm, so that what the program displays next can use it.
// Every program does that anew: the page may have been reloaded since the last one. The script does not stay in the output.
func (ps *pages) connect(c *session.Cell) {
	kernel := os.Getenv(protocol.GONB_JUPYTER_KERNEL_ID_ENV)
	if kernel == "" {
		fmt.Fprintln(c.Stderr(), noPage)
		return
	}
	opened := ps.renew(c)
	id, _ := json.Marshal(kernel) // which escapes < for HTML
	show := func(html string, update bool) {
		c.Display(link.Display{Bundle: link.Bundle{Data: map[string]any{"text/html": html}}, ID: "gonb-page-" + c.ID(), Update: update})
	}
	show(fmt.Sprintf("<script>%s(%s)</script>", pageScript, id), false)
	select {
	case <-opened:
	case <-c.Context().Done():
	case <-time.After(pageLimit):
		fmt.Fprintln(c.Stderr(), noPage)
	}
	show("", true)
}

// renew closes the comms of earlier programs and gives the channel that the next comm closes.
func (ps *pages) renew(c *session.Cell) <-chan struct{} {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	for id := range ps.comms {
		c.Comm(link.Comm{Op: "close", ID: id})
	}
	ps.comms = map[string]bool{}
	if ps.opened == nil {
		ps.opened = make(chan struct{})
	}
	return ps.opened
}

// send sends data to every page.
func (ps *pages) send(c *session.Cell, data map[string]any) error {
	text, err := json.Marshal(data)
	if err != nil {
		return err
	}
	ps.mu.Lock()
	defer ps.mu.Unlock()
	for id := range ps.comms {
		c.Comm(link.Comm{Op: "msg", ID: id, Data: text})
	}
	return nil
}

// note keeps what m opens or closes. It reports whether m belongs to gonbui.
func (ps *pages) note(m link.Comm) bool {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	switch {
	case m.Op == "open" && m.Target == CommTarget:
		if ps.comms == nil {
			ps.comms = map[string]bool{}
		}
		ps.comms[m.ID] = true
		if ps.opened != nil {
			close(ps.opened)
			ps.opened = nil
		}
		return true
	case !ps.comms[m.ID]:
		return false
	case m.Op == "close":
		delete(ps.comms, m.ID)
	}
	return true
}
