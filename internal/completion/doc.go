// Package completion makes the scripts by which bash, zsh and fish complete a command
// line. The scripts hold all that can be completed, so that nothing runs when somebody
// presses the tab key.
package completion
