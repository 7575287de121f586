//! What users see of messages: format templates, JSON forms.
