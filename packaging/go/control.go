package dapimock

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// JSON is a JSON object of the control API. Its numbers are float64, as encoding/json decodes them.
type JSON = map[string]any

// ControlError is a call that the control API refused.
type ControlError struct {
	// Status is the HTTP status.
	Status int
	// Message is the server's message.
	Message string
	// Answer is the whole response.
	Answer JSON
}

func (e *ControlError) Error() string { return e.Message }

const callTimeout = time.Minute

// control calls the control API of one server. It connects directly and ignores proxy settings.
type control struct {
	url  string
	http *http.Client
}

func newControl(url string) *control {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil
	// Lets parallel tests keep their connections.
	transport.MaxIdleConnsPerHost = 64
	return &control{url, &http.Client{Transport: transport, Timeout: callTimeout}}
}

// call calls a path under /_mock/v1 and decodes the response into result: as JSON, or as text if result is a *string.
func (c *control) call(method, path string, query url.Values, body, result any) error {
	target := c.url + "/_mock/v1" + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	var content io.Reader
	if method != http.MethodGet {
		if body == nil {
			body = JSON{}
		}
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		content = bytes.NewReader(text)
	}
	request, err := http.NewRequest(method, target, content)
	if err != nil {
		return err
	}
	request.Header.Set("Accept", "application/json")
	if content != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := c.http.Do(request)
	if err != nil {
		return fmt.Errorf("no dapi-mock server answers: %w", err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return fmt.Errorf("no dapi-mock server answers: %w", err)
	}
	if response.StatusCode >= 400 {
		refusal := &ControlError{Status: response.StatusCode}
		_ = json.Unmarshal(text, &refusal.Answer) // The message of a response that is not JSON is set below.
		message, ok := refusal.Answer["error"].(string)
		if !ok {
			message = strings.TrimSpace(fmt.Sprintf("%s %s answered %d: %s", method, path, response.StatusCode, text))
		}
		refusal.Message = message
		return refusal
	}
	switch result := result.(type) {
	case nil:
		return nil
	case *string:
		*result = string(text)
		return nil
	default:
		return json.Unmarshal(text, result)
	}
}
