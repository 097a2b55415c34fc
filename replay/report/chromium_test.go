package report

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds each wait for the browser, on a machine with much else to do.
const patience = 60 * time.Second

// browser is a headless Chromium that is spoken to over two pipes, in the Chrome
// DevTools Protocol: JSON objects with a NUL behind each.
type browser struct {
	t       testing.TB
	to      *os.File
	session string

	mu      sync.Mutex
	sent    int
	waiting map[int]chan message
	events  []message
	gone    error
}

// message is an answer or an event.
type message struct {
	ID     int             `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  *struct{ Message string }
}

// startBrowser starts Chromium with a profile of its own and an empty page.
func startBrowser(t testing.TB) *browser {
	t.Helper()
	program, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatalf("%v; run: make packages-test", err)
	}
	fromTest, toBrowser, err := os.Pipe()
	must(t, err)
	fromBrowser, toTest, err := os.Pipe()
	must(t, err)
	cmd := exec.Command(program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--remote-debugging-pipe", "--user-data-dir="+t.TempDir())
	// Chromium reads from descriptor 3 and writes to 4.
	cmd.ExtraFiles = []*os.File{fromTest, toTest}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	must(t, cmd.Start())
	must(t, errors.Join(fromTest.Close(), toTest.Close()))
	b := &browser{t: t, to: toBrowser, waiting: map[int]chan message{}}
	go b.listen(fromBrowser)
	t.Cleanup(func() {
		_, _ = b.call("Browser.close", nil) // or it is ended below
		done := make(chan struct{})
		go func() {
			_ = cmd.Wait() // by a signal or not
			close(done)
		}()
		select {
		case <-done:
		case <-time.After(patience):
			// Its group is the browser and its helpers, nobody else.
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			<-done
		}
		_ = toBrowser.Close()
		_ = fromBrowser.Close()
	})
	var target struct{ TargetID string }
	b.ask(&target, "Target.createTarget", map[string]any{"url": "about:blank"})
	var attached struct{ SessionID string }
	b.ask(&attached, "Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true})
	b.session = attached.SessionID
	for _, domain := range []string{"Page", "Runtime", "Log", "Network", "Accessibility"} {
		b.ask(nil, domain+".enable", nil)
	}
	return b
}

func (b *browser) listen(from *os.File) {
	r := bufio.NewReader(from)
	for {
		data, err := r.ReadBytes(0)
		b.mu.Lock()
		if err != nil {
			b.gone = err
			for _, c := range b.waiting {
				close(c)
			}
			b.waiting = nil
			b.mu.Unlock()
			return
		}
		var m message
		if err := json.Unmarshal(data[:len(data)-1], &m); err != nil {
			m = message{Method: "unreadable", Params: json.RawMessage(fmt.Sprintf("%q", data))}
		}
		if c := b.waiting[m.ID]; m.ID != 0 && c != nil {
			delete(b.waiting, m.ID)
			c <- m
		} else {
			b.events = append(b.events, m)
		}
		b.mu.Unlock()
	}
}

// call sends a command and waits for its answer.
func (b *browser) call(method string, params map[string]any) (message, error) {
	answer := make(chan message, 1)
	b.mu.Lock()
	if b.gone != nil {
		b.mu.Unlock()
		return message{}, b.gone
	}
	b.sent++
	command := map[string]any{"id": b.sent, "method": method}
	if params != nil {
		command["params"] = params
	}
	if b.session != "" && !strings.HasPrefix(method, "Browser.") {
		command["sessionId"] = b.session
	}
	b.waiting[b.sent] = answer
	data, err := json.Marshal(command)
	if err == nil {
		_, err = b.to.Write(append(data, 0))
	}
	b.mu.Unlock()
	if err != nil {
		return message{}, err
	}
	select {
	case m, ok := <-answer:
		switch {
		case !ok:
			return message{}, fmt.Errorf("%s: the browser is gone", method)
		case m.Error != nil:
			return message{}, fmt.Errorf("%s: %s", method, m.Error.Message)
		}
		return m, nil
	case <-time.After(patience):
		return message{}, fmt.Errorf("%s: no answer", method)
	}
}

// ask is call, which must succeed; the answer goes into result unless that is nil.
func (b *browser) ask(result any, method string, params map[string]any) {
	b.t.Helper()
	m, err := b.call(method, params)
	must(b.t, err)
	if result != nil {
		must(b.t, json.Unmarshal(m.Result, result))
	}
}

// open loads a page from a file and waits until its script has run.
func (b *browser) open(file string) {
	b.t.Helper()
	b.mu.Lock()
	b.events = nil
	b.mu.Unlock()
	address := url.URL{Scheme: "file", Path: file}
	b.ask(nil, "Page.navigate", map[string]any{"url": address.String()})
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		for _, e := range b.seen("Page.loadEventFired") {
			if e.Method != "" {
				return
			}
		}
		if time.Now().After(end) {
			b.t.Fatalf("%s: is not loaded", file)
		}
	}
}

// seen are the events of a method since the page was opened.
func (b *browser) seen(method string) []message {
	b.mu.Lock()
	defer b.mu.Unlock()
	var list []message
	for _, e := range b.events {
		if e.Method == method {
			list = append(list, e)
		}
	}
	return list
}

// complaints are the page's errors and warnings, and what it asked the network for.
func (b *browser) complaints(file string) []string {
	var list []string
	for _, method := range []string{"Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded", "Security.securityStateChanged", "unreadable"} {
		for _, e := range b.seen(method) {
			list = append(list, method+" "+string(e.Params))
		}
	}
	for _, e := range b.seen("Network.requestWillBeSent") {
		var p struct{ Request struct{ URL string } }
		must(b.t, json.Unmarshal(e.Params, &p))
		if u, err := url.Parse(p.Request.URL); err != nil || u.Scheme != "data" && (u.Scheme != "file" || u.Path != file) {
			list = append(list, "a request of "+p.Request.URL)
		}
	}
	return list
}

// eval is the value of a JavaScript expression.
func (b *browser) eval(result any, expression string) {
	b.t.Helper()
	var r struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails json.RawMessage
	}
	b.ask(&r, "Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true})
	if r.ExceptionDetails != nil {
		b.t.Fatalf("%s: %s", expression, r.ExceptionDetails)
	}
	if result != nil {
		must(b.t, json.Unmarshal(r.Result.Value, result))
	}
}

// text is an expression's value as text.
func (b *browser) text(expression string) string {
	b.t.Helper()
	var s string
	b.eval(&s, "String("+expression+")")
	return s
}

// press presses and lets go of a key, as the user does.
func (b *browser) press(key string) {
	b.t.Helper()
	for _, kind := range []string{"keyDown", "keyUp"} {
		p := map[string]any{"type": kind, "key": key}
		if len(key) == 1 {
			p["text"] = key
		} else {
			codes := map[string]int{"End": 35, "Home": 36, "ArrowLeft": 37, "ArrowRight": 39, "Escape": 27, "Tab": 9}
			p["windowsVirtualKeyCode"] = codes[key]
			p["code"] = key
		}
		b.ask(nil, "Input.dispatchKeyEvent", p)
	}
}

// screen sets the size of the window, in CSS pixels, and the colour scheme.
func (b *browser) screen(width, height int, scheme string) {
	b.t.Helper()
	b.ask(nil, "Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600})
	b.ask(nil, "Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}})
}

// shoot saves a picture of the window, or of the whole page, for people to look at,
// when EMURACE_TEST_SCREENSHOTS names a folder.
func (b *browser) shoot(name string, whole bool) {
	b.t.Helper()
	dir := os.Getenv("EMURACE_TEST_SCREENSHOTS")
	if dir == "" {
		return
	}
	if whole {
		// What sticks to the window's top would be drawn where that is.
		b.eval(nil, `scrollTo({ top: 0, behavior: 'instant' })`)
	}
	var r struct{ Data string }
	b.ask(&r, "Page.captureScreenshot", map[string]any{"format": "png", "captureBeyondViewport": whole})
	data, err := base64.StdEncoding.DecodeString(r.Data)
	must(b.t, err)
	must(b.t, os.WriteFile(filepath.Join(dir, name+".png"), data, 0o644))
}
