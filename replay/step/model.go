package step

import (
	tea "charm.land/bubbletea/v2"

	"emurace/replay/lesson"
	"emurace/replay/timeline"
	"emurace/scenario"
)

// pane is a part of the screen that keys can be meant for.
type pane int

const (
	codePane pane = iota
	regsPane
	memoryPane

	paneCount = iota // and none of them
)

// page is what fills the screen.
type page int

const (
	debugger page = iota
	helpPage
	infoPage
	lessonPage
)

// Model is a debugger for one run. Its methods are for bubbletea; a test can call
// them as well.
type Model struct {
	o    Options
	s    *scenario.Session
	code *listings

	// What is known of the run that the timeline has at present.
	story   Story
	storyOf scenario.Schedule // of a run of one's own
	slices  []segment

	// The moment that is shown, and the one that was shown before it.
	now, was *snapshot

	environAt uint64 // of the variable environ, 0 for none
	env       uint64 // the present array
	entries   int
	examining bool // :x was used
	examined  uint64

	stops []stop
	find  query

	free     bool // the user chooses who runs
	left     bool // the recorded run was left
	recorded scenario.Schedule
	fork     timeline.Moment
	per      uint64 // instructions that a thread's key runs
	said     status
	prompt   *prompt
	quitting bool

	width, height int
	page          page
	scroll        int // of a page of text
	card          int
	pane          pane
	zoomed        bool
	picked        int // the thread whose registers are shown
	codeSel       int // line of the picked thread's listing
	view          viewKind
	sel           [viewCount]int // row of each view
	regsTop       int
}

// status is what the last key did.
type status struct {
	command string // "reverse-continue"
	result  string // where that led to
	gdb     string // the command of gdb's that does the same
	bad     bool
}

// New makes a debugger. The timeline is left where the run ends, or for a lesson
// where it begins.
func New(o Options) (*Model, error) {
	m := &Model{o: o, s: o.Line.Session(), story: o.Story, per: 1, width: 80, height: 24, recorded: o.Line.Schedule()}
	m.code = newListings(m.s.Process())
	// A libc without the variable has no environment to show.
	if at, err := m.s.Process().Lookup("environ"); err == nil {
		m.environAt = at
	}
	if err := o.Line.Seek(o.Line.Len()); err != nil {
		return nil, err
	}
	m.look()
	m.was = m.now
	for v := range m.sel {
		m.sel[v] = m.now.views[v].focus
	}
	m.view = blockView
	if len(m.now.views[blockView].rows) == 0 {
		m.view = stackView
	}
	m.said = status{command: "the end of the run", result: "S goes back, ? lists the keys"}
	if o.Lesson && o.Story.Lesson != nil {
		m.page = lessonPage
	}
	return m, nil
}

// Init starts nothing: the model only answers keys.
func (m *Model) Init() tea.Cmd { return nil }

// Update takes a key or a new size of the terminal.
func (m *Model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = max(msg.Width, 0), max(msg.Height, 0)
		m.clampScroll()
	case tea.PasteMsg:
		if m.prompt != nil {
			m.prompt.insert(msg.Content)
		}
	case tea.KeyPressMsg:
		if msg.String() == "ctrl+z" {
			return m, tea.Suspend
		}
		m.press(msg.String(), msg.Text)
		if m.quitting {
			return m, tea.Quit
		}
	}
	return m, nil
}

// View draws the screen.
func (m *Model) View() tea.View {
	v := tea.NewView(m.screen())
	v.AltScreen = true
	v.WindowTitle = "emurace step"
	return v
}

// press does what a key is for at present.
func (m *Model) press(key, text string) {
	switch {
	case key == "ctrl+c":
		m.quitting = true
	case m.prompt != nil:
		m.typing(key, text)
	case m.page == lessonPage:
		m.lessonKey(key)
	case m.page == helpPage || m.page == infoPage:
		m.pageKey(key)
	default:
		m.debuggerKey(key)
	}
	m.clampScroll()
}

func (m *Model) debuggerKey(key string) {
	if m.free {
		if thread, times, ok := threadKey(key); ok {
			m.run(thread, times)
			return
		}
	}
	for _, b := range bindings {
		if b.matches(key) {
			b.do(m)
			return
		}
	}
	if len(key) == 1 && key >= "1" && key <= "9" {
		m.fail("thread "+key, "x begins free stepping; then the number of a thread runs it")
		return
	}
	m.fail(clean(key), "no key of this name; ? lists them")
}

// fail says that a command did nothing, and why.
func (m *Model) fail(command, why string) {
	m.said = status{command: command, result: why, bad: true}
}

// story of the run on the screen, for the lesson's cards and marks.
func (m *Model) lesson() *lesson.Lesson { return m.story.Lesson }
